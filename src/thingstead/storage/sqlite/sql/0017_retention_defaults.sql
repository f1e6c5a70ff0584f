-- What the server keeps where a project has no rule of its own, as it is in force, and what replaces it at an instant
-- (ms) since the settings ask for it. At most one row.
CREATE TABLE retention_defaults (
    days REAL NOT NULL,
    max_bytes INTEGER NOT NULL,
    pending_days REAL NOT NULL,
    pending_max_bytes INTEGER NOT NULL,
    pending_at INTEGER -- NULL: nothing waits
) STRICT;
