-- What the alarms of a rule added up to that are kept no longer.
CREATE TABLE alarm_totals (
    rule_id TEXT PRIMARY KEY REFERENCES alarm_rules (id) ON DELETE CASCADE,
    alarms INTEGER NOT NULL,
    open_ms INTEGER NOT NULL, -- how long they were open, all together
    last_raised_at INTEGER NOT NULL,
    last_cleared_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_ended ON notices (create_time) WHERE state NOT IN ('waiting', 'held');
