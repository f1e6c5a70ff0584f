-- Changes of many devices that go on by themselves. The devices of a job are fixed at its start, in parts; the transaction
-- that changes those of a part deletes it, so that none is changed twice and none is left out.
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    change TEXT NOT NULL, -- JSON
    actor TEXT NOT NULL, -- JSON
    state TEXT NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL -- 0 until it has ended
) STRICT;
CREATE INDEX jobs_of_project ON jobs (project_id, number);
CREATE INDEX jobs_open ON jobs (project_id, number) WHERE end_time = 0;
CREATE INDEX jobs_ended ON jobs (end_time) WHERE end_time > 0;

CREATE TABLE job_parts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    device_ids TEXT NOT NULL, -- JSON
    PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_refusals (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    item TEXT NOT NULL -- JSON
) STRICT;
CREATE INDEX job_refusals_of_job ON job_refusals (job_id, seq);

-- What people keep for themselves in the console.
CREATE TABLE device_views (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    admin_id TEXT NOT NULL REFERENCES administrators (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    shared INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX device_views_of_project ON device_views (project_id, admin_id, create_time, id);
CREATE INDEX device_views_of_administrator ON device_views (admin_id);

CREATE TABLE preferences (
    admin_id TEXT PRIMARY KEY REFERENCES administrators (id) ON DELETE CASCADE,
    body TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

-- Devices are found by their device_code, too.
UPDATE devices SET search_text = search_form(
    name || char(10) || coalesce(device_key, '') || char(10) || id || char(10) || device_code || char(10) || descr
);
