-- Message rules: what they came to, and work by project.

ALTER TABLE message_rule_work ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
ALTER TABLE message_rule_work ADD COLUMN item_count INTEGER NOT NULL DEFAULT 1;

-- Counters and switched-off functions of a rule, stored every few seconds.
CREATE TABLE message_rule_states (
    rule_id TEXT PRIMARY KEY REFERENCES message_rules (id) ON DELETE CASCADE,
    state TEXT NOT NULL -- JSON object
) STRICT, WITHOUT ROWID;

-- The newest evaluations that came to something.
CREATE TABLE message_rule_evaluations (
    rule_id TEXT NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    number INTEGER NOT NULL, -- in order of time
    ts INTEGER NOT NULL, -- ms
    evaluation TEXT NOT NULL, -- JSON object
    PRIMARY KEY (rule_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_rule_evaluations_by_age ON message_rule_evaluations (ts);
