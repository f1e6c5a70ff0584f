-- Messages of a project by minute and by hour. A minute in which nothing happened has no row.

CREATE TABLE message_minutes (
    project_id TEXT NOT NULL REFERENCES projects (id),
    ts INTEGER NOT NULL, -- ms, the begin
    up_attributes INTEGER NOT NULL,
    up_events INTEGER NOT NULL,
    up_replies INTEGER NOT NULL,
    up_data INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    down_attributes INTEGER NOT NULL,
    down_commands INTEGER NOT NULL,
    down_data INTEGER NOT NULL,
    points INTEGER NOT NULL,
    alarms_raised INTEGER NOT NULL,
    alarms_cleared INTEGER NOT NULL,
    online_max INTEGER NOT NULL,
    online_min INTEGER NOT NULL,
    PRIMARY KEY (project_id, ts)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_minutes_by_time ON message_minutes (ts);

CREATE TABLE message_hours (
    project_id TEXT NOT NULL REFERENCES projects (id),
    ts INTEGER NOT NULL, -- ms, the begin
    up_attributes INTEGER NOT NULL,
    up_events INTEGER NOT NULL,
    up_replies INTEGER NOT NULL,
    up_data INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    down_attributes INTEGER NOT NULL,
    down_commands INTEGER NOT NULL,
    down_data INTEGER NOT NULL,
    points INTEGER NOT NULL,
    alarms_raised INTEGER NOT NULL,
    alarms_cleared INTEGER NOT NULL,
    online_max INTEGER NOT NULL,
    online_min INTEGER NOT NULL,
    PRIMARY KEY (project_id, ts)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_hours_by_time ON message_hours (ts);
