-- The last reading of the server's clock that was believed (ms), and the reading of a jump ahead of it that is not yet.
-- At most one row.
CREATE TABLE clock_seen (
    seen INTEGER NOT NULL,
    doubted INTEGER -- NULL: there was no jump
) STRICT;
