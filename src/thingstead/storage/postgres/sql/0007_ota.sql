-- Upgrades of firmware: versions with their files, rollouts, and the upgrades of devices.

CREATE TABLE ota_versions (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    version_name text COLLATE "C" NOT NULL,
    module text COLLATE "C" NOT NULL,
    types text COLLATE "C" NOT NULL, -- JSON array of ids; empty: every device of the project
    devices text COLLATE "C" NOT NULL, -- JSON array of ids; empty: all of the types
    from_versions text COLLATE "C" NOT NULL, -- JSON array
    version_attribute text COLLATE "C" NOT NULL,
    https bigint NOT NULL,
    enabled bigint NOT NULL,
    check_offers bigint NOT NULL,
    create_time bigint NOT NULL,
    update_time bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX ota_versions_in_order ON ota_versions (project_id, create_time, id);

CREATE TABLE ota_files (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    version_id text COLLATE "C" REFERENCES ota_versions (id) ON DELETE SET NULL, -- NULL: to be removed
    name text COLLATE "C" NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    md5 text COLLATE "C" NOT NULL,
    complete bigint NOT NULL, -- 0: being uploaded, or left over
    upload_time bigint NOT NULL
);
CREATE UNIQUE INDEX ota_files_of_version ON ota_files (version_id) WHERE complete = 1;
CREATE INDEX ota_files_of_project ON ota_files (project_id);

CREATE TABLE ota_pieces (
    file_id text COLLATE "C" NOT NULL REFERENCES ota_files (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (file_id, position)
);

CREATE TABLE ota_rollouts (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    version_id text COLLATE "C" NOT NULL REFERENCES ota_versions (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    pause_code text COLLATE "C" NOT NULL,
    selection text COLLATE "C" NOT NULL, -- JSON object
    starts bigint NOT NULL, -- whether it starts when its devices are chosen
    waves text COLLATE "C" NOT NULL, -- JSON array of percents
    wave bigint NOT NULL,
    advance_percent bigint NOT NULL,
    fail_percent bigint NOT NULL,
    fail_least bigint NOT NULL,
    timeout_ms bigint NOT NULL,
    total bigint NOT NULL,
    excused_failed bigint NOT NULL, -- failures before it was resumed
    excused_concluded bigint NOT NULL,
    create_time bigint NOT NULL,
    update_time bigint NOT NULL,
    start_time bigint NOT NULL, -- 0: not started
    end_time bigint NOT NULL, -- 0: not ended
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX ota_rollouts_in_order ON ota_rollouts (project_id, create_time, id);
CREATE INDEX ota_rollouts_of_version ON ota_rollouts (version_id);
CREATE INDEX ota_rollouts_open ON ota_rollouts (state) WHERE end_time = 0;

CREATE TABLE ota_upgrades (
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    version_id text COLLATE "C" NOT NULL REFERENCES ota_versions (id) ON DELETE CASCADE,
    rollout_id text COLLATE "C" NOT NULL, -- empty: the device asked
    project_id text COLLATE "C" NOT NULL,
    wave bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    from_version text COLLATE "C" NOT NULL,
    bytes_served bigint NOT NULL,
    downloads bigint NOT NULL,
    sent_time bigint NOT NULL, -- 0: not sent
    due_time bigint NOT NULL, -- when it times out
    blocked_until bigint NOT NULL, -- not offered again when the device asks before
    cause text COLLATE "C" NOT NULL, -- id of the message by which the device asked
    update_time bigint NOT NULL,
    PRIMARY KEY (device_id, version_id, rollout_id)
);
CREATE INDEX ota_upgrades_of_rollout ON ota_upgrades (rollout_id, wave, state, device_id);
CREATE INDEX ota_upgrades_of_version ON ota_upgrades (version_id);
CREATE INDEX ota_upgrades_open ON ota_upgrades (due_time) WHERE state IN ('sent', 'downloading', 'finished');

CREATE TABLE ota_tokens (
    hash text COLLATE "C" PRIMARY KEY,
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    version_id text COLLATE "C" NOT NULL REFERENCES ota_versions (id) ON DELETE CASCADE,
    create_time bigint NOT NULL,
    expire_time bigint NOT NULL
);
CREATE INDEX ota_tokens_of_device ON ota_tokens (device_id, create_time);
CREATE INDEX ota_tokens_of_version ON ota_tokens (version_id);
CREATE INDEX ota_tokens_expiring ON ota_tokens (expire_time);
