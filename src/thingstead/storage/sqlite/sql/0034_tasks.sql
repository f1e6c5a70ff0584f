-- Tasks: what is done to devices at an instant or again and again.
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    schedule TEXT NOT NULL, -- JSON object
    device_ids TEXT NOT NULL, -- JSON; empty: those of the selection
    selection TEXT NOT NULL, -- JSON object, or null
    action TEXT NOT NULL, -- JSON object
    missed TEXT NOT NULL,
    missed_within_ms INTEGER NOT NULL,
    due_at INTEGER NOT NULL DEFAULT 0, -- ms, the next planned instant; 0: none
    run_count INTEGER NOT NULL DEFAULT 0,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_in_order ON tasks (project_id, create_time, id);
CREATE INDEX tasks_due ON tasks (due_at, id) WHERE due_at > 0;

-- A run is begun in the transaction that moves due_at on, so that each planned instant has one.
CREATE TABLE task_runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    task_id TEXT NOT NULL,
    trigger TEXT NOT NULL,
    planned_at INTEGER NOT NULL,
    last_planned_at INTEGER NOT NULL,
    instants INTEGER NOT NULL,
    begin_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL, -- 0 until it has ended
    state TEXT NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL,
    empty INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    task_version INTEGER NOT NULL,
    actor TEXT NOT NULL, -- JSON object, or null
    action TEXT NOT NULL, -- JSON object
    code TEXT NOT NULL,
    args TEXT NOT NULL, -- JSON object
    dropped INTEGER NOT NULL DEFAULT 0, -- its results, then the row, are deleted in steps
    UNIQUE (task_id, planned_at, trigger)
) STRICT;
CREATE INDEX task_runs_of_task ON task_runs (task_id, number);
CREATE INDEX task_runs_open ON task_runs (project_id, number) WHERE end_time = 0;
CREATE INDEX task_runs_ended ON task_runs (end_time) WHERE end_time > 0 AND dropped = 0;
CREATE INDEX task_runs_dropped ON task_runs (number) WHERE dropped = 1;

-- Devices that wait. The transaction of the effects on them writes their results and deletes the row.
CREATE TABLE task_run_parts (
    run_number INTEGER NOT NULL REFERENCES task_runs (number) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    device_ids TEXT NOT NULL, -- JSON
    PRIMARY KEY (run_number, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_results (
    run_number INTEGER NOT NULL REFERENCES task_runs (number),
    device_id TEXT NOT NULL,
    result TEXT NOT NULL,
    code TEXT NOT NULL,
    args TEXT NOT NULL, -- JSON object; empty: {}
    command_id TEXT NOT NULL,
    ts INTEGER NOT NULL, -- ms
    PRIMARY KEY (run_number, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_results_not_done ON task_results (run_number, result, device_id) WHERE result <> 'done';
