-- Reports between the log and the blocks: a row for each packing and device. Those of a device become blocks when
-- there are enough of them to fill some, or when they have lain here for a while.
CREATE TABLE spool (
    id INTEGER PRIMARY KEY,
    device_number INTEGER NOT NULL,
    spooled_at INTEGER NOT NULL, -- ms
    first_ts INTEGER NOT NULL,
    last_ts INTEGER NOT NULL,
    points INTEGER NOT NULL,
    reports BLOB NOT NULL
) STRICT;
CREATE INDEX spool_of_device ON spool (device_number, id);

ALTER TABLE device_state ADD COLUMN spooled INTEGER NOT NULL DEFAULT 0; -- points in the spool

-- Rows that could not be read, as they were found.
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    found_at INTEGER NOT NULL, -- ms
    kind TEXT NOT NULL, -- the table
    device_number INTEGER,
    identifier TEXT,
    detail TEXT NOT NULL, -- the row's key and the reason
    data BLOB NOT NULL
) STRICT;
