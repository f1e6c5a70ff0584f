-- What happened to a device lately: connections, refused messages, custom data. Only the newest rows of each kind
-- are kept.
CREATE TABLE device_logs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    device_number INTEGER NOT NULL REFERENCES devices (number) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    ts INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX device_logs_in_order ON device_logs (device_number, kind, seq);

-- Commands whose time is over are looked for in this order.
CREATE INDEX commands_expiring ON commands (expire_time) WHERE state IN ('queued', 'sent', 'delivered');
