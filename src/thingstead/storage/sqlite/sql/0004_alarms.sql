-- Alarm rules, what they decided, and what was told of it. The two tables of alarms before had no writer yet.

DROP TABLE open_alarms;
DROP TABLE alarm_logs;

CREATE TABLE alarm_rules (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    type_id TEXT REFERENCES device_types (id) ON DELETE CASCADE, -- NULL: the devices in alarm_rule_devices
    enabled INTEGER NOT NULL,
    body TEXT NOT NULL, -- JSON object
    failing TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_rules_in_order ON alarm_rules (project_id, create_time, id);
CREATE INDEX alarm_rules_of_type ON alarm_rules (type_id) WHERE type_id IS NOT NULL;

CREATE TABLE alarm_rule_devices (
    rule_id TEXT NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_rule_devices_of_device ON alarm_rule_devices (device_id);

-- Devices of a rule's source for which it is switched off.
CREATE TABLE alarm_rule_exceptions (
    rule_id TEXT NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_rule_exceptions_of_device ON alarm_rule_exceptions (device_id);

-- Where a rule stands on a device; no row: idle.
CREATE TABLE alarm_states (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id TEXT NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    state BLOB NOT NULL, -- msgpack
    due_at INTEGER, -- when time alone may change it, by the server's clock
    PRIMARY KEY (device_id, rule_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_states_of_rule ON alarm_states (rule_id);
CREATE INDEX alarm_states_due ON alarm_states (due_at, device_id) WHERE due_at IS NOT NULL;

CREATE TABLE alarms (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
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
-- However many nodes decide: one alarm is open per rule and device.
CREATE UNIQUE INDEX alarms_open ON alarms (device_id, rule_id) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open_of_project ON alarms (project_id, device_id, alarm_level) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open_of_rule ON alarms (rule_id) WHERE cleared_at IS NULL;
CREATE INDEX alarms_in_order ON alarms (project_id, raised_at, seq, alarm_level);
CREATE INDEX alarms_of_device ON alarms (device_id, raised_at, seq);
CREATE INDEX alarms_of_rule ON alarms (rule_id, raised_at, cleared_at);

CREATE VIEW open_alarms AS
SELECT device_id, rule_id, project_id, alarm_level, raised_at FROM alarms WHERE cleared_at IS NULL;

CREATE TABLE alarm_shelves (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id TEXT NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    shelved_until INTEGER NOT NULL,
    shelved_by TEXT NOT NULL,
    PRIMARY KEY (device_id, rule_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_shelves_end ON alarm_shelves (shelved_until);

-- Messages: an alarm was raised, changed its level, or cleared. Of equal instants the last appended is the newest.
CREATE TABLE alarm_logs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    alarm_id TEXT NOT NULL REFERENCES alarms (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id TEXT NOT NULL,
    alarm_status INTEGER NOT NULL,
    alarm_level INTEGER NOT NULL,
    alarm_info TEXT NOT NULL, -- JSON object
    ts INTEGER NOT NULL,
    create_time INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_logs_in_order ON alarm_logs (project_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_device ON alarm_logs (device_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_alarm ON alarm_logs (alarm_id);

CREATE TABLE notify_groups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    create_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notify_groups_in_order ON notify_groups (project_id, create_time, id);

CREATE TABLE alarm_rule_groups (
    rule_id TEXT NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES notify_groups (id),
    position INTEGER NOT NULL,
    PRIMARY KEY (rule_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_rule_groups_of_group ON alarm_rule_groups (group_id);

-- Where notices go: the channels of a group, or of one rule. A channel's notices are sent in order, by whoever holds its
-- lease; while it fails, the next attempt waits until next_try_at.
CREATE TABLE notify_channels (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    group_id TEXT REFERENCES notify_groups (id) ON DELETE CASCADE,
    rule_id TEXT REFERENCES alarm_rules (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    config TEXT NOT NULL, -- JSON object
    failures INTEGER NOT NULL DEFAULT 0, -- in a row
    next_try_at INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    CHECK ((group_id IS NULL) <> (rule_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX notify_channels_of_group ON notify_channels (group_id, position) WHERE group_id IS NOT NULL;
CREATE INDEX notify_channels_of_rule ON notify_channels (rule_id, position) WHERE rule_id IS NOT NULL;

CREATE VIEW rule_channels AS
SELECT rule_id, id AS channel_id, kind, config FROM notify_channels WHERE rule_id IS NOT NULL
UNION ALL
SELECT g.rule_id, c.id, c.kind, c.config
FROM alarm_rule_groups g
JOIN notify_groups n ON n.id = g.group_id AND n.enabled
JOIN notify_channels c ON c.group_id = g.group_id;

-- One row a message and channel, made in the transaction of the message. A notice goes from waiting to one of the others,
-- and from held to digested; never back.
CREATE TABLE notices (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE, -- NULL: a digest or a test
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
CREATE INDEX notices_waiting ON notices (channel_id, seq) WHERE state = 'waiting';
CREATE INDEX notices_expiring ON notices (expire_time) WHERE state = 'waiting';
CREATE INDEX notices_held ON notices (channel_id, seq) WHERE state = 'held';
CREATE INDEX notices_of_message ON notices (message_id);

-- Every attempt, and every decision not to make one.
CREATE TABLE notify_logs (
    seq INTEGER PRIMARY KEY,
    notice_seq INTEGER NOT NULL REFERENCES notices (seq) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT,
    target TEXT NOT NULL, -- where to, without secrets
    state TEXT NOT NULL, -- of the notice after it: waiting where it is tried again
    message TEXT NOT NULL,
    took_ms INTEGER NOT NULL,
    ts INTEGER NOT NULL
) STRICT;
CREATE INDEX notify_logs_in_order ON notify_logs (project_id, ts, seq);
CREATE INDEX notify_logs_of_device ON notify_logs (device_id, ts, seq) WHERE device_id IS NOT NULL;
CREATE INDEX notify_logs_of_notice ON notify_logs (notice_seq);

-- How many notices to people went out on a day (UTC), for the daily caps. device_id '': of the project.
CREATE TABLE notify_counts (
    day INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (day, project_id, device_id)
) STRICT, WITHOUT ROWID;
