-- How long the history of a project is kept: rules as JSON, and how many bytes at most.
CREATE TABLE retention (
    project_id TEXT PRIMARY KEY REFERENCES projects (id),
    rules TEXT NOT NULL,
    max_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Points and bytes of a project in blocks that end in an hour (hours since the epoch), and how many blocks begin in it.
-- Kept in step with the blocks.
CREATE TABLE history_hours (
    project_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    points INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    begins INTEGER NOT NULL,
    PRIMARY KEY (project_id, hour)
) STRICT, WITHOUT ROWID;
INSERT INTO history_hours (project_id, hour, points, bytes, begins)
SELECT project_id, hour, sum(points), sum(bytes), sum(begins)
FROM (
    SELECT device_number, last_ts / 3600000 AS hour, points, length(data) + length(identifier) + 24 AS bytes, 0 AS begins
    FROM block
    UNION ALL SELECT device_number, first_ts / 3600000, 0, 0, 1 FROM block
) JOIN devices ON devices.number = device_number
GROUP BY 1, 2;

-- Devices that were removed and whose blocks are still there, to be dropped step by step.
CREATE TABLE removed_devices (
    number INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL
) STRICT;
