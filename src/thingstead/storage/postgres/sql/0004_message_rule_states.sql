-- Message rules: what they came to, and work by project.

ALTER TABLE message_rule_work ADD COLUMN project_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE message_rule_work ADD COLUMN item_count bigint NOT NULL DEFAULT 1;

-- Counters and switched-off functions of a rule, stored every few seconds.
CREATE TABLE message_rule_states (
    rule_id text COLLATE "C" PRIMARY KEY REFERENCES message_rules (id) ON DELETE CASCADE,
    state text COLLATE "C" NOT NULL -- JSON object
);

-- The newest evaluations that came to something.
CREATE TABLE message_rule_evaluations (
    rule_id text COLLATE "C" NOT NULL REFERENCES message_rules (id) ON DELETE CASCADE,
    number bigint NOT NULL, -- in order of time
    ts bigint NOT NULL, -- ms
    evaluation text COLLATE "C" NOT NULL, -- JSON object
    PRIMARY KEY (rule_id, number)
);
CREATE INDEX message_rule_evaluations_by_age ON message_rule_evaluations (ts);
