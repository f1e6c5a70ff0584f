-- Message rules: what is done about a message of a device.

CREATE TABLE message_rules (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    on_message TEXT NOT NULL, -- the kind of messages
    type_id TEXT REFERENCES device_types (id) ON DELETE CASCADE, -- NULL: the devices in message_rule_devices
    enabled INTEGER NOT NULL,
    body TEXT NOT NULL, -- JSON object
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX message_rules_in_order ON message_rules (project_id, create_time, id);
CREATE INDEX message_rules_of_type ON message_rules (type_id) WHERE type_id IS NOT NULL;

CREATE TABLE message_rule_devices (
    rule_id TEXT NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_rule_devices_of_device ON message_rule_devices (device_id);

-- Devices of a rule's source for which it is switched off.
CREATE TABLE message_rule_exceptions (
    rule_id TEXT NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_rule_exceptions_of_device ON message_rule_exceptions (device_id);

-- Written in the transaction of the messages, deleted in that of the effects.
CREATE TABLE message_rule_work (
    id INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL, -- ms; 0: at once
    items BLOB NOT NULL -- msgpack
) STRICT;

CREATE TABLE message_rule_totals (
    rule_id TEXT PRIMARY KEY REFERENCES message_rules (id) ON DELETE CASCADE,
    effects INTEGER NOT NULL,
    last_effect_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
