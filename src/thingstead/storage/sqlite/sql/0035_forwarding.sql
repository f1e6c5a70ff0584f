-- Forwarding: targets, the messages that wait for them, and those that they refused.

CREATE TABLE forward_targets (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    kinds TEXT NOT NULL, -- JSON array
    type_ids TEXT NOT NULL, -- JSON array
    device_ids TEXT NOT NULL, -- JSON array
    tags TEXT NOT NULL, -- JSON object
    batch INTEGER NOT NULL,
    config TEXT NOT NULL, -- JSON object
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX forward_targets_in_order ON forward_targets (project_id, create_time, id);

CREATE TABLE forward_progress (
    target_id TEXT PRIMARY KEY REFERENCES forward_targets (id) ON DELETE CASCADE,
    body TEXT NOT NULL -- JSON object
) STRICT, WITHOUT ROWID;

-- The messages of one commit and project that a target wants, written in the transaction of the messages.
CREATE TABLE forward_segments (
    seq INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    counts TEXT NOT NULL, -- JSON object: numbers of messages and bytes by target
    body BLOB NOT NULL -- msgpack
) STRICT;
CREATE INDEX forward_segments_of_project ON forward_segments (project_id, seq);

CREATE TABLE forward_dead (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    target_id TEXT NOT NULL REFERENCES forward_targets (id) ON DELETE CASCADE,
    body BLOB NOT NULL, -- msgpack
    create_time INTEGER NOT NULL
) STRICT;
CREATE INDEX forward_dead_of_target ON forward_dead (target_id, seq);
