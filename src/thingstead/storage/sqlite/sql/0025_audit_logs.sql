-- Who changed what: written in the transaction of the change.

CREATE TABLE audit_logs (
    number INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    ts INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_name TEXT NOT NULL,
    changes TEXT NOT NULL
) STRICT;

CREATE INDEX audit_logs_by_time ON audit_logs (project_id, ts, number);
CREATE INDEX audit_logs_by_object ON audit_logs (project_id, object_id, ts, number);
CREATE INDEX audit_logs_by_actor ON audit_logs (project_id, actor_id, ts, number);
