-- What may hang on one device in any number no longer refers to it: removing the device does not remove these rows in
-- one transaction, they go step by step (removed_devices). Made anew, since SQLite cannot drop a reference.

DROP VIEW open_alarms;

CREATE TABLE new_events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL, -- nothing is looked up by it
    device_id TEXT NOT NULL,
    method TEXT NOT NULL,
    params TEXT NOT NULL, -- JSON object
    ts INTEGER NOT NULL
) STRICT;
INSERT INTO new_events SELECT seq, id, device_id, method, params, ts FROM events;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_in_order ON events (device_id, ts, seq);

CREATE TABLE new_commands (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL,
    method TEXT NOT NULL,
    params TEXT NOT NULL, -- JSON value
    command_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    reply TEXT NOT NULL, -- JSON value
    create_time INTEGER NOT NULL,
    expire_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT;
INSERT INTO new_commands SELECT seq, id, project_id, device_id, method, params, command_id, state, reason, reply,
    create_time, expire_time, update_time FROM commands;
DROP TABLE commands;
ALTER TABLE new_commands RENAME TO commands;
CREATE INDEX commands_in_order ON commands (device_id, create_time, seq);
CREATE INDEX commands_open ON commands (device_id, seq) WHERE state IN ('queued', 'sent', 'delivered');
CREATE INDEX commands_expiring ON commands (expire_time) WHERE state IN ('queued', 'sent', 'delivered');

CREATE TABLE new_alarms (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL,
    rule_id TEXT NOT NULL, -- an alarm outlives its rule
    rule_name TEXT NOT NULL,
    alarm_level INTEGER NOT NULL,
    raised_at INTEGER NOT NULL,
    cleared_at INTEGER, -- NULL: open
    clear_reason TEXT NOT NULL DEFAULT '',
    acknowledged_at INTEGER,
    acknowledged_by TEXT NOT NULL DEFAULT '',
    comments TEXT NOT NULL DEFAULT '[]' -- JSON array
) STRICT;
INSERT INTO new_alarms SELECT seq, id, project_id, device_id, rule_id, rule_name, alarm_level, raised_at, cleared_at,
    clear_reason, acknowledged_at, acknowledged_by, comments FROM alarms;
CREATE TABLE new_alarm_logs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    alarm_id TEXT NOT NULL REFERENCES new_alarms (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    alarm_status INTEGER NOT NULL,
    alarm_level INTEGER NOT NULL,
    alarm_info TEXT NOT NULL, -- JSON object
    ts INTEGER NOT NULL,
    create_time INTEGER NOT NULL
) STRICT;
INSERT INTO new_alarm_logs SELECT seq, id, alarm_id, project_id, device_id, rule_id, alarm_status, alarm_level,
    alarm_info, ts, create_time FROM alarm_logs;
DROP TABLE alarm_logs;
DROP TABLE alarms;
ALTER TABLE new_alarms RENAME TO alarms;
ALTER TABLE new_alarm_logs RENAME TO alarm_logs;
-- However many nodes decide: one alarm is open per rule and device.
CREATE UNIQUE INDEX alarms_open ON alarms (device_id, rule_id) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open_of_project ON alarms (project_id, device_id, alarm_level) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open_of_rule ON alarms (rule_id) WHERE cleared_at IS NULL;
CREATE INDEX alarms_in_order ON alarms (project_id, raised_at, seq, alarm_level);
CREATE INDEX alarms_of_device ON alarms (device_id, raised_at, seq);
CREATE INDEX alarms_of_rule ON alarms (rule_id, raised_at, cleared_at);
CREATE INDEX alarm_logs_in_order ON alarm_logs (project_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_device ON alarm_logs (device_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_alarm ON alarm_logs (alarm_id);

CREATE VIEW open_alarms AS
SELECT device_id, rule_id, project_id, alarm_level, raised_at FROM alarms WHERE cleared_at IS NULL;

CREATE TABLE new_notices (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT, -- NULL: a digest or a test
    rule_id TEXT NOT NULL,
    message_id TEXT NOT NULL, -- of alarm_logs; '' of a digest or a test
    channel_id TEXT NOT NULL, -- a notice outlives its channel
    channel_kind TEXT NOT NULL,
    kind TEXT NOT NULL, -- alarm, unshelved, digest, test
    body TEXT NOT NULL, -- JSON object: what a digest or a test says
    state TEXT NOT NULL, -- waiting, sent, failed, expired, dropped, held, digested
    attempts INTEGER NOT NULL DEFAULT 0,
    create_time INTEGER NOT NULL,
    expire_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT;
INSERT INTO new_notices SELECT seq, id, project_id, device_id, rule_id, message_id, channel_id, channel_kind, kind, body,
    state, attempts, create_time, expire_time, update_time FROM notices;
CREATE TABLE new_notify_logs (
    seq INTEGER PRIMARY KEY,
    notice_seq INTEGER NOT NULL REFERENCES new_notices (seq) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT,
    target TEXT NOT NULL, -- where to, without secrets
    state TEXT NOT NULL, -- of the notice after it: waiting where it is tried again
    message TEXT NOT NULL,
    took_ms INTEGER NOT NULL,
    ts INTEGER NOT NULL
) STRICT;
INSERT INTO new_notify_logs SELECT seq, notice_seq, project_id, device_id, target, state, message, took_ms, ts
FROM notify_logs;
DROP TABLE notify_logs;
DROP TABLE notices;
ALTER TABLE new_notices RENAME TO notices;
ALTER TABLE new_notify_logs RENAME TO notify_logs;
CREATE INDEX notices_waiting ON notices (channel_id, seq) WHERE state = 'waiting';
CREATE INDEX notices_expiring ON notices (expire_time) WHERE state = 'waiting';
CREATE INDEX notices_held ON notices (channel_id, seq) WHERE state = 'held';
CREATE INDEX notices_of_message ON notices (message_id);
CREATE INDEX notices_ended ON notices (create_time) WHERE state NOT IN ('waiting', 'held');
CREATE INDEX notices_of_device ON notices (device_id, create_time, seq) WHERE device_id NOT NULL;
CREATE INDEX notify_logs_in_order ON notify_logs (project_id, ts, seq);
CREATE INDEX notify_logs_of_device ON notify_logs (device_id, ts, seq) WHERE device_id IS NOT NULL;
CREATE INDEX notify_logs_of_notice ON notify_logs (notice_seq);

ALTER TABLE removed_devices ADD COLUMN device_id TEXT NOT NULL DEFAULT ''; -- '': removed before it was kept here

-- The instant (ms) before which events, commands and alarms of a folder that an older release filled are not dropped;
-- NULL: not set yet. No row: nothing holds them.
CREATE TABLE log_retention_grace (until INTEGER) STRICT;
INSERT INTO log_retention_grace SELECT NULL WHERE EXISTS (SELECT 1 FROM devices);
