-- Messages of rules to addresses outside: written with the effects of a rule, deleted when they were delivered.
CREATE TABLE outgoing_messages (
    number bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL, -- for the receiver
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    rule_id text COLLATE "C" NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    action bigint NOT NULL, -- its index in the rule
    device_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL, -- of the message
    names text COLLATE "C" NOT NULL, -- JSON object
    create_time bigint NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX outgoing_messages_of_action ON outgoing_messages (rule_id, action, number);
