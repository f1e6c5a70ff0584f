-- The whole schema; docs/architecture.md draws it. The tables and columns are those of the embedded store, whose SQL runs
-- here, too: a truth is a bigint of 0 or 1, instants are ms since the Unix epoch, UTC, JSON stands in texts, and texts are
-- ordered by their bytes. Logs refer to no other table: a reference would lock a row for each entry.

-- What the embedded database has under these names.

CREATE FUNCTION instr(whole text, part text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN strpos(whole, part);

CREATE FUNCTION max(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN greatest(a, b);

CREATE FUNCTION min(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN least(a, b);

CREATE FUNCTION hex(whole text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN encode(convert_to(whole, 'UTF8'), 'hex');

-- PostgreSQL has no text with U+0000, but what devices send may: it is read as U+FFFD.
CREATE FUNCTION json_of(whole text) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN strpos(whole, '\u0000') = 0 THEN whole::json
    ELSE regexp_replace(whole, '(?<!\\)((?:\\\\)*)\\u0000', '\1\ufffd', 'g')::json END;

CREATE FUNCTION json_extract(whole text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN json_of(whole) ->> substr(path, 3); -- of '$.member'

CREATE FUNCTION json_array_length(whole text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN json_array_length(json_of(whole));

-- Members of an object, or elements of an array, whose values are texts.
CREATE FUNCTION json_each(whole text) RETURNS TABLE (key text, value text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 100 AS $$
    SELECT m.key, m.value FROM json_each_text(CASE WHEN whole LIKE '{%' THEN json_of(whole) ELSE '{}' END) m
    UNION ALL
    SELECT NULL, e.value FROM json_array_elements_text(CASE WHEN whole LIKE '[%' THEN json_of(whole) ELSE '[]' END) e
$$;

CREATE FUNCTION json_replace(whole text, path_1 text, value_1 json, path_2 text, value_2 json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT json_object_agg(m.key, CASE '$.' || m.key WHEN path_1 THEN value_1 WHEN path_2 THEN value_2 ELSE m.value END)
    FROM json_each(json_of(whole)) m
$$;

CREATE FUNCTION group_concat_next(so_far text, next text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN so_far IS NULL THEN next ELSE so_far || coalesce(',' || next, '') END;

CREATE AGGREGATE group_concat(text) (SFUNC = group_concat_next, STYPE = text);

-- Tables.

CREATE TABLE server_secrets (
    name text COLLATE "C" PRIMARY KEY,
    secret bytea NOT NULL
);

CREATE TABLE projects (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    tags text COLLATE "C" NOT NULL, -- JSON object
    project_key text COLLATE "C" NOT NULL UNIQUE,
    view_key text COLLATE "C" NOT NULL UNIQUE,
    view_secret_hash bytea NOT NULL,
    create_time bigint NOT NULL,
    previous_project_key text COLLATE "C",
    previous_key_until bigint NOT NULL DEFAULT 0,
    timezone text COLLATE "C" NOT NULL DEFAULT '+00:00',
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX projects_previous_key ON projects (previous_project_key) WHERE previous_project_key IS NOT NULL;

CREATE TABLE applications (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    access_key text COLLATE "C" NOT NULL,
    secret_hash bytea NOT NULL,
    token_epoch bigint NOT NULL,
    create_time bigint NOT NULL,
    role text COLLATE "C" NOT NULL DEFAULT 'admin',
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX applications_in_order ON applications (project_id, create_time, id);

CREATE TABLE administrators (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    account text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    tags text COLLATE "C" NOT NULL, -- JSON object
    password_hash text COLLATE "C" NOT NULL,
    token_epoch bigint NOT NULL,
    create_time bigint NOT NULL,
    account_key text COLLATE "C" NOT NULL DEFAULT '',
    role text COLLATE "C" NOT NULL DEFAULT 'admin',
    last_login_at bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    UNIQUE (project_id, account)
);
CREATE INDEX administrators_by_account ON administrators (project_id, account_key);
CREATE INDEX administrators_of_all_projects ON administrators (account_key);

CREATE TABLE device_types (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    tags text COLLATE "C" NOT NULL, -- JSON object
    type_key text COLLATE "C" NOT NULL,
    conn_type text COLLATE "C" NOT NULL,
    conn_protocol text COLLATE "C" NOT NULL,
    auto_create bigint NOT NULL,
    functions text COLLATE "C" NOT NULL, -- JSON object
    create_time bigint NOT NULL,
    device_count bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    search_text text COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (project_id, type_key)
);
CREATE INDEX device_types_in_order ON device_types (project_id, create_time, id);
CREATE INDEX device_types_by_name ON device_types (project_id, name, id);

CREATE TABLE customers (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    account text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    password_hash text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    mobile text COLLATE "C" NOT NULL,
    tags text COLLATE "C" NOT NULL, -- JSON object
    locale text COLLATE "C" NOT NULL,
    create_time bigint NOT NULL,
    device_count bigint NOT NULL DEFAULT 0,
    account_key text COLLATE "C" NOT NULL DEFAULT '',
    version bigint NOT NULL DEFAULT 1,
    search_text text COLLATE "C" NOT NULL DEFAULT '',
    UNIQUE (project_id, account)
);
CREATE INDEX customers_by_account ON customers (project_id, account_key);
CREATE INDEX customers_in_order ON customers (project_id, create_time, id);
CREATE INDEX customers_by_name ON customers (project_id, name, id);

CREATE TABLE devices (
    number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    device_key text COLLATE "C",
    tags text COLLATE "C" NOT NULL, -- JSON object
    type_id text COLLATE "C" REFERENCES device_types (id),
    customer_id text COLLATE "C" REFERENCES customers (id) ON DELETE SET NULL,
    gateway_id text COLLATE "C" REFERENCES devices (id),
    sub_address text COLLATE "C",
    access_token text COLLATE "C" NOT NULL UNIQUE,
    view_token text COLLATE "C" NOT NULL,
    device_code text COLLATE "C" NOT NULL,
    create_time bigint NOT NULL,
    search_text text COLLATE "C" NOT NULL, -- what a keyword is looked for in, case-folded
    version bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX devices_view_token ON devices (project_id, view_token);
CREATE UNIQUE INDEX devices_device_key ON devices (project_id, device_key) WHERE device_key IS NOT NULL;
CREATE UNIQUE INDEX devices_sub_address ON devices (gateway_id, sub_address) WHERE gateway_id IS NOT NULL;
CREATE INDEX devices_in_order ON devices (project_id, create_time, id, type_id, customer_id);
CREATE INDEX devices_of_type ON devices (type_id, create_time, id) WHERE type_id IS NOT NULL;
CREATE INDEX devices_of_customer ON devices (customer_id, create_time, id) WHERE customer_id IS NOT NULL;
CREATE INDEX devices_by_name ON devices (project_id, name, id);

CREATE TABLE device_groups (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    parent_id text COLLATE "C" REFERENCES device_groups (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    tags text COLLATE "C" NOT NULL, -- JSON object
    create_time bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX device_groups_in_order ON device_groups (project_id, create_time, id);
CREATE INDEX device_groups_children ON device_groups (parent_id);

CREATE TABLE device_group_members (
    group_id text COLLATE "C" NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
    create_time bigint NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    device_number bigint NOT NULL REFERENCES devices (number) ON DELETE CASCADE,
    PRIMARY KEY (group_id, create_time, device_id)
);
CREATE UNIQUE INDEX device_group_members_of_device ON device_group_members (device_number, group_id);

CREATE TABLE sessions (
    device_number bigint PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    protocol text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    remote_address text COLLATE "C" NOT NULL,
    connected_at bigint NOT NULL
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000
);
CREATE INDEX sessions_of_project ON sessions (project_id);
CREATE INDEX sessions_of_node ON sessions (node);

CREATE TABLE report_log (
    seq bigint PRIMARY KEY,
    entries bytea NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 10000, toast.autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE report_log ALTER COLUMN entries SET STORAGE EXTERNAL; -- compressed, or soon deleted

CREATE TABLE device_state (
    device_number bigint PRIMARY KEY,
    attributes bytea NOT NULL,
    active bytea NOT NULL,
    newest_uplink bigint NOT NULL,
    packed_seq bigint NOT NULL,
    spooled bigint NOT NULL DEFAULT 0,
    sent bytea
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE block (
    device_number bigint NOT NULL,
    identifier text COLLATE "C" NOT NULL,
    first_ts bigint NOT NULL,
    last_ts bigint NOT NULL,
    points bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (device_number, identifier, first_ts)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE block ALTER COLUMN data SET STORAGE EXTERNAL; -- compressed, or soon deleted

CREATE TABLE device_logs (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    device_number bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    ts bigint NOT NULL,
    body text COLLATE "C" NOT NULL
);
CREATE INDEX device_logs_in_order ON device_logs (device_number, kind, seq);

CREATE TABLE alarm_rules (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    type_id text COLLATE "C" REFERENCES device_types (id) ON DELETE CASCADE, -- NULL: the devices in alarm_rule_devices
    enabled bigint NOT NULL,
    body text COLLATE "C" NOT NULL, -- JSON object
    failing text COLLATE "C" NOT NULL,
    create_time bigint NOT NULL,
    update_time bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX alarm_rules_in_order ON alarm_rules (project_id, create_time, id);
CREATE INDEX alarm_rules_of_type ON alarm_rules (type_id) WHERE type_id IS NOT NULL;

CREATE TABLE alarm_rule_devices (
    rule_id text COLLATE "C" NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
);
CREATE INDEX alarm_rule_devices_of_device ON alarm_rule_devices (device_id);

CREATE TABLE alarm_rule_exceptions (
    rule_id text COLLATE "C" NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, device_id)
);
CREATE INDEX alarm_rule_exceptions_of_device ON alarm_rule_exceptions (device_id);

CREATE TABLE alarm_states (
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id text COLLATE "C" NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    state bytea NOT NULL, -- msgpack
    due_at bigint, -- when time alone may change it, by the server's clock
    PRIMARY KEY (device_id, rule_id)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000
);
CREATE INDEX alarm_states_of_rule ON alarm_states (rule_id);
CREATE INDEX alarm_states_due ON alarm_states (due_at, device_id) WHERE due_at IS NOT NULL;

CREATE TABLE alarm_shelves (
    device_id text COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id text COLLATE "C" NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    shelved_until bigint NOT NULL,
    shelved_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (device_id, rule_id)
);
CREATE INDEX alarm_shelves_end ON alarm_shelves (shelved_until);

CREATE TABLE notify_groups (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    name text COLLATE "C" NOT NULL,
    descr text COLLATE "C" NOT NULL,
    enabled bigint NOT NULL,
    create_time bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX notify_groups_in_order ON notify_groups (project_id, create_time, id);

CREATE TABLE alarm_rule_groups (
    rule_id text COLLATE "C" NOT NULL REFERENCES alarm_rules (id) ON DELETE CASCADE,
    group_id text COLLATE "C" NOT NULL REFERENCES notify_groups (id),
    position bigint NOT NULL,
    PRIMARY KEY (rule_id, group_id)
);
CREATE INDEX alarm_rule_groups_of_group ON alarm_rule_groups (group_id);

CREATE TABLE notify_channels (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    group_id text COLLATE "C" REFERENCES notify_groups (id) ON DELETE CASCADE,
    rule_id text COLLATE "C" REFERENCES alarm_rules (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    config text COLLATE "C" NOT NULL, -- JSON object
    failures bigint NOT NULL DEFAULT 0, -- in a row
    next_try_at bigint NOT NULL DEFAULT 0,
    lease_owner text COLLATE "C" NOT NULL DEFAULT '',
    lease_until bigint NOT NULL DEFAULT 0,
    waiting bigint NOT NULL DEFAULT 0,
    CHECK ((group_id IS NULL) <> (rule_id IS NULL))
);
CREATE INDEX notify_channels_of_group ON notify_channels (group_id, position) WHERE group_id IS NOT NULL;
CREATE INDEX notify_channels_of_rule ON notify_channels (rule_id, position) WHERE rule_id IS NOT NULL;
CREATE INDEX notify_channels_waiting ON notify_channels (project_id, max(next_try_at, lease_until)) WHERE waiting = 1;

CREATE TABLE notify_counts (
    day bigint NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    sent bigint NOT NULL,
    PRIMARY KEY (day, project_id, device_id)
);

CREATE TABLE spool (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    device_number bigint NOT NULL,
    spooled_at bigint NOT NULL, -- ms
    first_ts bigint NOT NULL,
    last_ts bigint NOT NULL,
    points bigint NOT NULL,
    reports bytea NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE spool ALTER COLUMN reports SET STORAGE EXTERNAL; -- compressed, or soon deleted
CREATE INDEX spool_of_device ON spool (device_number, id);

CREATE TABLE quarantine (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    found_at bigint NOT NULL, -- ms
    kind text COLLATE "C" NOT NULL, -- the table
    device_number bigint,
    identifier text COLLATE "C",
    detail text COLLATE "C" NOT NULL, -- the row's key and the reason
    data bytea NOT NULL
);

CREATE TABLE retention (
    project_id text COLLATE "C" PRIMARY KEY REFERENCES projects (id),
    rules text COLLATE "C" NOT NULL,
    max_bytes bigint NOT NULL,
    pending_rules text COLLATE "C",
    pending_max_bytes bigint NOT NULL DEFAULT 0,
    pending_at bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1
);

CREATE TABLE history_hours (
    project_id text COLLATE "C" NOT NULL,
    hour bigint NOT NULL,
    points bigint NOT NULL,
    bytes bigint NOT NULL,
    begins bigint NOT NULL,
    PRIMARY KEY (project_id, hour)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000
);

CREATE TABLE removed_devices (
    number bigint PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL DEFAULT ''
);

CREATE TABLE mqtt_sessions (
    number bigint PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL,
    device_number bigint REFERENCES devices (number) ON DELETE CASCADE, -- NULL: a client of the open port
    expiry_s bigint NOT NULL,
    expires_at bigint,
    connected bigint NOT NULL,
    will bytea NOT NULL,
    will_delay_s bigint NOT NULL,
    will_at bigint,
    sent_seq bigint NOT NULL
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000
);
CREATE INDEX mqtt_sessions_of_device ON mqtt_sessions (device_number) WHERE device_number IS NOT NULL;

CREATE TABLE mqtt_subscriptions (
    session bigint NOT NULL REFERENCES mqtt_sessions (number) ON DELETE CASCADE,
    topic_filter text COLLATE "C" NOT NULL,
    options bigint NOT NULL,
    identifier bigint NOT NULL
);
-- Not by the topic filter: it may be longer than an entry of an index.
CREATE INDEX mqtt_subscriptions_of_session ON mqtt_subscriptions (session);

CREATE TABLE mqtt_messages (
    number bigint PRIMARY KEY,
    packet bytea NOT NULL,
    expires_at bigint
);

CREATE TABLE mqtt_queue (
    session bigint NOT NULL REFERENCES mqtt_sessions (number) ON DELETE CASCADE,
    seq bigint NOT NULL,
    message bigint NOT NULL,
    packet_id bigint NOT NULL,
    qos bigint NOT NULL,
    retain bigint NOT NULL,
    identifiers text COLLATE "C" NOT NULL,
    share text COLLATE "C" NOT NULL,
    released bigint NOT NULL,
    PRIMARY KEY (session, seq)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000
);
CREATE INDEX mqtt_queue_by_message ON mqtt_queue (message);

CREATE TABLE mqtt_received (
    session bigint NOT NULL REFERENCES mqtt_sessions (number) ON DELETE CASCADE,
    packet_id bigint NOT NULL,
    PRIMARY KEY (session, packet_id)
);

CREATE TABLE mqtt_retained (
    topic text COLLATE "C" NOT NULL,
    packet bytea NOT NULL,
    expires_at bigint,
    EXCLUDE USING hash (topic WITH =)
);

CREATE TABLE alarm_totals (
    rule_id text COLLATE "C" PRIMARY KEY REFERENCES alarm_rules (id) ON DELETE CASCADE,
    alarms bigint NOT NULL,
    open_ms bigint NOT NULL, -- how long they were open, all together
    last_raised_at bigint NOT NULL,
    last_cleared_at bigint NOT NULL
);

CREATE TABLE events (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL, -- nothing is looked up by it
    device_id text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    params text COLLATE "C" NOT NULL, -- JSON object
    ts bigint NOT NULL
);
CREATE INDEX events_in_order ON events (device_id, ts, seq);

CREATE TABLE commands (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    params text COLLATE "C" NOT NULL, -- JSON value
    command_id bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    reply text COLLATE "C" NOT NULL, -- JSON value
    create_time bigint NOT NULL,
    expire_time bigint NOT NULL,
    update_time bigint NOT NULL,
    size_bytes bigint NOT NULL DEFAULT 0,
    reply_defined bigint NOT NULL DEFAULT 1,
    sent_qos bigint,
    open bigint NOT NULL DEFAULT 1
);
CREATE INDEX commands_in_order ON commands (device_id, create_time, seq);
CREATE INDEX commands_open ON commands (
    device_id, seq, id, command_id, method, state, size_bytes, expire_time, sent_qos, open -- all that is asked for
) WHERE open = 1;
CREATE INDEX commands_expiring ON commands (expire_time) WHERE open = 1;
CREATE INDEX commands_lately ON commands (device_id, seq, command_id, method);

CREATE TABLE alarms (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    rule_id text COLLATE "C" NOT NULL, -- an alarm outlives its rule
    rule_name text COLLATE "C" NOT NULL,
    alarm_level bigint NOT NULL,
    raised_at bigint NOT NULL,
    cleared_at bigint, -- NULL: open
    clear_reason text COLLATE "C" NOT NULL DEFAULT '',
    acknowledged_at bigint,
    acknowledged_by text COLLATE "C" NOT NULL DEFAULT '',
    comments text COLLATE "C" NOT NULL DEFAULT '[]' -- JSON array
);
CREATE UNIQUE INDEX alarms_open ON alarms (device_id, rule_id) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open_of_project ON alarms (project_id, device_id, alarm_level) WHERE cleared_at IS NULL;
CREATE INDEX alarms_open_of_rule ON alarms (rule_id) WHERE cleared_at IS NULL;
CREATE INDEX alarms_in_order ON alarms (project_id, raised_at, seq, alarm_level);
CREATE INDEX alarms_of_device ON alarms (device_id, raised_at, seq);
CREATE INDEX alarms_of_rule ON alarms (rule_id, raised_at, cleared_at);
CREATE INDEX alarms_attention ON alarms (project_id, raised_at, seq, alarm_level, cleared_at, acknowledged_at, device_id)
WHERE cleared_at IS NULL OR acknowledged_at IS NULL;

CREATE TABLE alarm_logs (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    alarm_id text COLLATE "C" NOT NULL REFERENCES alarms (id) ON DELETE CASCADE,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    rule_id text COLLATE "C" NOT NULL,
    alarm_status bigint NOT NULL,
    alarm_level bigint NOT NULL,
    alarm_info text COLLATE "C" NOT NULL, -- JSON object
    ts bigint NOT NULL,
    create_time bigint NOT NULL
);
CREATE INDEX alarm_logs_in_order ON alarm_logs (project_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_device ON alarm_logs (device_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_alarm ON alarm_logs (alarm_id);

CREATE TABLE notices (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C", -- NULL: a digest or a test
    rule_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL, -- of alarm_logs; '' of a digest or a test
    channel_id text COLLATE "C" NOT NULL, -- a notice outlives its channel
    channel_kind text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL, -- alarm, unshelved, digest, test
    body text COLLATE "C" NOT NULL, -- JSON object: what a digest or a test says
    state text COLLATE "C" NOT NULL, -- waiting, sent, failed, expired, dropped, held, digested
    attempts bigint NOT NULL DEFAULT 0,
    create_time bigint NOT NULL,
    expire_time bigint NOT NULL,
    update_time bigint NOT NULL
);
CREATE INDEX notices_waiting ON notices (channel_id, seq) WHERE state = 'waiting';
CREATE INDEX notices_expiring ON notices (expire_time) WHERE state = 'waiting';
CREATE INDEX notices_held ON notices (channel_id, seq) WHERE state = 'held';
CREATE INDEX notices_of_message ON notices (message_id);
CREATE INDEX notices_ended ON notices (create_time) WHERE state NOT IN ('waiting', 'held');
CREATE INDEX notices_of_device ON notices (device_id, create_time, seq) WHERE device_id IS NOT NULL;

CREATE TABLE notify_logs (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    notice_seq bigint NOT NULL REFERENCES notices (seq) ON DELETE CASCADE,
    project_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C",
    target text COLLATE "C" NOT NULL, -- where to, without secrets
    state text COLLATE "C" NOT NULL, -- of the notice after it: waiting where it is tried again
    message text COLLATE "C" NOT NULL,
    took_ms bigint NOT NULL,
    ts bigint NOT NULL
);
CREATE INDEX notify_logs_in_order ON notify_logs (project_id, ts, seq);
CREATE INDEX notify_logs_of_device ON notify_logs (device_id, ts, seq) WHERE device_id IS NOT NULL;
CREATE INDEX notify_logs_of_notice ON notify_logs (notice_seq);

CREATE TABLE log_retention_grace (
    until bigint
);

CREATE TABLE retention_defaults (
    days double precision NOT NULL,
    max_bytes bigint NOT NULL,
    pending_days double precision NOT NULL,
    pending_max_bytes bigint NOT NULL,
    pending_at bigint -- NULL: nothing waits
);

CREATE TABLE clock_seen (
    seen bigint NOT NULL,
    doubted bigint -- NULL: there was no jump
);

CREATE TABLE browser_sessions (
    id text COLLATE "C" PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    admin_id text COLLATE "C" NOT NULL REFERENCES administrators (id) ON DELETE CASCADE,
    keep bigint NOT NULL,
    remote_address text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX browser_sessions_of_administrator ON browser_sessions (admin_id, created_at);
CREATE INDEX browser_sessions_of_project ON browser_sessions (project_id, last_seen_at);
CREATE INDEX browser_sessions_by_expiry ON browser_sessions (expires_at);

CREATE TABLE jobs (
    number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    change text COLLATE "C" NOT NULL, -- JSON
    actor text COLLATE "C" NOT NULL, -- JSON
    state text COLLATE "C" NOT NULL,
    total bigint NOT NULL,
    done bigint NOT NULL,
    unchanged bigint NOT NULL,
    refused bigint NOT NULL,
    create_time bigint NOT NULL,
    end_time bigint NOT NULL -- 0 until it has ended
);
CREATE INDEX jobs_of_project ON jobs (project_id, number);
CREATE INDEX jobs_open ON jobs (project_id, number) WHERE end_time = 0;
CREATE INDEX jobs_ended ON jobs (end_time) WHERE end_time > 0;

CREATE TABLE job_parts (
    job_id text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    device_ids text COLLATE "C" NOT NULL, -- JSON
    PRIMARY KEY (job_id, position)
);

CREATE TABLE job_refusals (
    seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    job_id text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    item text COLLATE "C" NOT NULL -- JSON
);
CREATE INDEX job_refusals_of_job ON job_refusals (job_id, seq);

CREATE TABLE device_views (
    id text COLLATE "C" PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL REFERENCES projects (id),
    admin_id text COLLATE "C" NOT NULL REFERENCES administrators (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    query text COLLATE "C" NOT NULL,
    shared bigint NOT NULL,
    create_time bigint NOT NULL,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX device_views_of_project ON device_views (project_id, admin_id, create_time, id);
CREATE INDEX device_views_of_administrator ON device_views (admin_id);

CREATE TABLE preferences (
    admin_id text COLLATE "C" PRIMARY KEY REFERENCES administrators (id) ON DELETE CASCADE,
    body text COLLATE "C" NOT NULL -- JSON
);

CREATE TABLE audit_logs (
    number bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    project_id text COLLATE "C" NOT NULL,
    ts bigint NOT NULL,
    actor_kind text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    actor_name text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    object_name text COLLATE "C" NOT NULL,
    changes text COLLATE "C" NOT NULL
);
CREATE INDEX audit_logs_by_time ON audit_logs (project_id, ts, number);
CREATE INDEX audit_logs_by_object ON audit_logs (project_id, object_id, ts, number);
CREATE INDEX audit_logs_by_actor ON audit_logs (project_id, actor_id, ts, number);

CREATE TABLE releases (
    release text COLLATE "C" PRIMARY KEY,
    schema_version bigint NOT NULL,
    first_opened_at bigint NOT NULL,
    last_opened_at bigint NOT NULL
);

CREATE TABLE message_minutes (
    project_id text COLLATE "C" NOT NULL,
    ts bigint NOT NULL, -- ms, the begin
    up_attributes bigint NOT NULL,
    up_events bigint NOT NULL,
    up_replies bigint NOT NULL,
    up_data bigint NOT NULL,
    refused bigint NOT NULL,
    down_attributes bigint NOT NULL,
    down_commands bigint NOT NULL,
    down_data bigint NOT NULL,
    points bigint NOT NULL,
    alarms_raised bigint NOT NULL,
    alarms_cleared bigint NOT NULL,
    online_max bigint NOT NULL,
    online_min bigint NOT NULL,
    PRIMARY KEY (project_id, ts)
);
CREATE INDEX message_minutes_by_time ON message_minutes (ts);

CREATE TABLE message_hours (
    project_id text COLLATE "C" NOT NULL,
    ts bigint NOT NULL, -- ms, the begin
    up_attributes bigint NOT NULL,
    up_events bigint NOT NULL,
    up_replies bigint NOT NULL,
    up_data bigint NOT NULL,
    refused bigint NOT NULL,
    down_attributes bigint NOT NULL,
    down_commands bigint NOT NULL,
    down_data bigint NOT NULL,
    points bigint NOT NULL,
    alarms_raised bigint NOT NULL,
    alarms_cleared bigint NOT NULL,
    online_max bigint NOT NULL,
    online_min bigint NOT NULL,
    PRIMARY KEY (project_id, ts)
);
CREATE INDEX message_hours_by_time ON message_hours (ts);

CREATE VIEW rule_channels AS
SELECT rule_id, id AS channel_id, kind, config FROM notify_channels WHERE rule_id IS NOT NULL
UNION ALL
SELECT g.rule_id, c.id, c.kind, c.config
FROM alarm_rule_groups g
JOIN notify_groups n ON n.id = g.group_id AND n.enabled = 1
JOIN notify_channels c ON c.group_id = g.group_id;

CREATE VIEW open_alarms AS
SELECT device_id, rule_id, project_id, alarm_level, raised_at FROM alarms WHERE cleared_at IS NULL;

-- Triggers, each once for a statement.

CREATE FUNCTION devices_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_types t SET device_count = device_count + a.count
    FROM (SELECT type_id, count(*) FROM added WHERE type_id IS NOT NULL GROUP BY type_id) a WHERE t.id = a.type_id;
    UPDATE customers c SET device_count = device_count + a.count
    FROM (SELECT customer_id, count(*) FROM added WHERE customer_id IS NOT NULL GROUP BY customer_id) a
    WHERE c.id = a.customer_id;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_inserted AFTER INSERT ON devices REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION devices_inserted();

CREATE FUNCTION devices_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_types t SET device_count = device_count - g.count
    FROM (SELECT type_id, count(*) FROM gone WHERE type_id IS NOT NULL GROUP BY type_id) g WHERE t.id = g.type_id;
    UPDATE customers c SET device_count = device_count - g.count
    FROM (SELECT customer_id, count(*) FROM gone WHERE customer_id IS NOT NULL GROUP BY customer_id) g
    WHERE c.id = g.customer_id;
    DELETE FROM sessions WHERE device_number IN (SELECT number FROM gone);
    DELETE FROM device_logs WHERE device_number IN (SELECT number FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER devices_deleted AFTER DELETE ON devices REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION devices_deleted();

CREATE FUNCTION devices_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM was JOIN became USING (number)
                   WHERE (was.type_id, was.customer_id) IS DISTINCT FROM (became.type_id, became.customer_id)) THEN
        RETURN NULL;
    END IF;
    UPDATE device_types t SET device_count = device_count + m.moved
    FROM (SELECT type_id, sum(one) AS moved
          FROM (SELECT type_id, -1 AS one FROM was UNION ALL SELECT type_id, 1 FROM became) each_device
          WHERE type_id IS NOT NULL GROUP BY type_id HAVING sum(one) <> 0) m
    WHERE t.id = m.type_id;
    UPDATE customers c SET device_count = device_count + m.moved
    FROM (SELECT customer_id, sum(one) AS moved
          FROM (SELECT customer_id, -1 AS one FROM was UNION ALL SELECT customer_id, 1 FROM became) each_device
          WHERE customer_id IS NOT NULL GROUP BY customer_id HAVING sum(one) <> 0) m
    WHERE c.id = m.customer_id;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_moved AFTER UPDATE ON devices REFERENCING OLD TABLE AS was NEW TABLE AS became
FOR EACH STATEMENT EXECUTE FUNCTION devices_moved();

CREATE FUNCTION mqtt_messages_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mqtt_messages WHERE number IN (
        SELECT message FROM gone WHERE NOT EXISTS (SELECT FROM mqtt_queue q WHERE q.message = gone.message));
    RETURN NULL;
END $$;
CREATE TRIGGER mqtt_messages_done AFTER DELETE ON mqtt_queue REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION mqtt_messages_done();

CREATE FUNCTION notices_wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notify_channels SET waiting = 1
    WHERE waiting = 0 AND id IN (SELECT channel_id FROM added WHERE state = 'waiting');
    RETURN NULL;
END $$;
CREATE TRIGGER notices_wait AFTER INSERT ON notices REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION notices_wait();
