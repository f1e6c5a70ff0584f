-- Message rules: what is done about a message of a device.

CREATE TABLE message_rules (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    on_message text COLLATE "C" NOT NULL, -- the kind of messages
    type_id text COLLATE "C" REFERENCES device_types (id) ON DELETE CASCADE, -- NULL: the devices in message_rule_devices
    enabled bigint NOT NULL,
    body text COLLATE "C" NOT NULL, -- JSON object
    create_time bigint NOT NULL,
    update_time bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX message_rules_in_order ON message_rules (project_id, create_time, id);
CREATE INDEX message_rules_of_type ON message_rules (type_id) WHERE type_id IS NOT NULL;

CREATE TABLE message_rule_devices (
    rule_id text COLLATE "C" NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
);
CREATE INDEX message_rule_devices_of_device ON message_rule_devices (device_id);

-- Devices of a rule's source for which it is switched off.
CREATE TABLE message_rule_exceptions (
    rule_id text COLLATE "C" NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
);
CREATE INDEX message_rule_exceptions_of_device ON message_rule_exceptions (device_id);

-- Written in the transaction of the messages, deleted in that of the effects.
CREATE TABLE message_rule_work (
    id bigint PRIMARY KEY,
    due_at bigint NOT NULL, -- ms; 0: at once
    items bytea NOT NULL -- msgpack
);

CREATE TABLE message_rule_totals (
    rule_id text COLLATE "C" PRIMARY KEY REFERENCES message_rules (id) ON DELETE CASCADE,
    effects bigint NOT NULL,
    last_effect_at bigint NOT NULL
);
