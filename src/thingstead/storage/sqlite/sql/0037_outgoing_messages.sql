-- Messages of rules to addresses outside: written with the effects of a rule, deleted when they were delivered.
CREATE TABLE outgoing_messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL, -- for the receiver
    project_id TEXT NOT NULL REFERENCES projects (id),
    rule_id TEXT NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    action INTEGER NOT NULL, -- its index in the rule
    device_id TEXT NOT NULL,
    kind TEXT NOT NULL, -- of the message
    names TEXT NOT NULL, -- JSON object
    create_time INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX outgoing_messages_of_action ON outgoing_messages (rule_id, action, number);
