-- One row a commit: the reports of that commit, as msgpack, until they are packed into blocks.
CREATE TABLE report_log (
    seq INTEGER PRIMARY KEY,
    entries BLOB NOT NULL
) STRICT;

-- What is known of a device as of its last packing: current values, newest uplink by kind. Log rows up to
-- packed_seq are contained in it and in the blocks; later ones are not.
CREATE TABLE device_state (
    device_number INTEGER PRIMARY KEY,
    attributes BLOB NOT NULL,
    active BLOB NOT NULL,
    newest_uplink INTEGER NOT NULL,
    packed_seq INTEGER NOT NULL
) STRICT;

-- Points of one series in order of time. Blocks of a series never overlap and never share a timestamp.
CREATE TABLE block (
    device_number INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    first_ts INTEGER NOT NULL,
    last_ts INTEGER NOT NULL,
    points INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device_number, identifier, first_ts)
) STRICT, WITHOUT ROWID;
