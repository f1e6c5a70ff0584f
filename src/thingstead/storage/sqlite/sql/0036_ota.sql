-- Upgrades of firmware: versions with their files, rollouts, and the upgrades of devices.

CREATE TABLE ota_versions (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    version_name TEXT NOT NULL,
    module TEXT NOT NULL,
    types TEXT NOT NULL, -- JSON array of ids; empty: every device of the project
    devices TEXT NOT NULL, -- JSON array of ids; empty: all of the types
    from_versions TEXT NOT NULL, -- JSON array
    version_attribute TEXT NOT NULL,
    https INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    check_offers INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX ota_versions_in_order ON ota_versions (project_id, create_time, id);

CREATE TABLE ota_files (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    version_id TEXT REFERENCES ota_versions (id) ON DELETE SET NULL, -- NULL: to be removed
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    complete INTEGER NOT NULL, -- 0: being uploaded, or left over
    upload_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ota_files_of_version ON ota_files (version_id) WHERE complete = 1;
CREATE INDEX ota_files_of_project ON ota_files (project_id);

CREATE TABLE ota_pieces (
    file_id TEXT NOT NULL REFERENCES ota_files (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (file_id, position)
) STRICT;

CREATE TABLE ota_rollouts (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    version_id TEXT NOT NULL REFERENCES ota_versions (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    pause_code TEXT NOT NULL,
    selection TEXT NOT NULL, -- JSON object
    starts INTEGER NOT NULL, -- whether it starts when its devices are chosen
    waves TEXT NOT NULL, -- JSON array of percents
    wave INTEGER NOT NULL,
    advance_percent INTEGER NOT NULL,
    fail_percent INTEGER NOT NULL,
    fail_least INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL,
    total INTEGER NOT NULL,
    excused_failed INTEGER NOT NULL, -- failures before it was resumed
    excused_concluded INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    start_time INTEGER NOT NULL, -- 0: not started
    end_time INTEGER NOT NULL, -- 0: not ended
    version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX ota_rollouts_in_order ON ota_rollouts (project_id, create_time, id);
CREATE INDEX ota_rollouts_of_version ON ota_rollouts (version_id);
CREATE INDEX ota_rollouts_open ON ota_rollouts (state) WHERE end_time = 0;

CREATE TABLE ota_upgrades (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    version_id TEXT NOT NULL REFERENCES ota_versions (id) ON DELETE CASCADE,
    rollout_id TEXT NOT NULL, -- empty: the device asked
    project_id TEXT NOT NULL,
    wave INTEGER NOT NULL,
    state TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    from_version TEXT NOT NULL,
    bytes_served INTEGER NOT NULL,
    downloads INTEGER NOT NULL,
    sent_time INTEGER NOT NULL, -- 0: not sent
    due_time INTEGER NOT NULL, -- when it times out
    blocked_until INTEGER NOT NULL, -- not offered again when the device asks before
    cause TEXT NOT NULL, -- id of the message by which the device asked
    update_time INTEGER NOT NULL,
    PRIMARY KEY (device_id, version_id, rollout_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ota_upgrades_of_rollout ON ota_upgrades (rollout_id, wave, state, device_id);
CREATE INDEX ota_upgrades_of_version ON ota_upgrades (version_id);
CREATE INDEX ota_upgrades_open ON ota_upgrades (due_time) WHERE state IN ('sent', 'downloading', 'finished');

CREATE TABLE ota_tokens (
    hash TEXT PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    version_id TEXT NOT NULL REFERENCES ota_versions (id) ON DELETE CASCADE,
    create_time INTEGER NOT NULL,
    expire_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ota_tokens_of_device ON ota_tokens (device_id, create_time);
CREATE INDEX ota_tokens_of_version ON ota_tokens (version_id);
CREATE INDEX ota_tokens_expiring ON ota_tokens (expire_time);
