-- Everything but the history of attributes. Instants are ms since the Unix epoch, UTC. JSON stands in TEXT columns.

CREATE TABLE server_secrets (
    name TEXT PRIMARY KEY,
    secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    tags TEXT NOT NULL, -- JSON object
    project_key TEXT NOT NULL UNIQUE,
    view_key TEXT NOT NULL UNIQUE,
    view_secret_hash BLOB NOT NULL,
    create_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    access_key TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    token_epoch INTEGER NOT NULL,
    create_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX applications_in_order ON applications (project_id, create_time, id);

CREATE TABLE administrators (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    tags TEXT NOT NULL, -- JSON object
    password_hash TEXT NOT NULL,
    token_epoch INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    UNIQUE (project_id, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_types (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    tags TEXT NOT NULL, -- JSON object
    type_key TEXT NOT NULL,
    conn_type TEXT NOT NULL,
    conn_protocol TEXT NOT NULL,
    auto_create INTEGER NOT NULL,
    functions TEXT NOT NULL, -- JSON object
    create_time INTEGER NOT NULL,
    device_count INTEGER NOT NULL DEFAULT 0, -- kept by the triggers on devices
    UNIQUE (project_id, type_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_types_in_order ON device_types (project_id, create_time, id);

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    descr TEXT NOT NULL,
    email TEXT NOT NULL,
    mobile TEXT NOT NULL,
    tags TEXT NOT NULL, -- JSON object
    locale TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    device_count INTEGER NOT NULL DEFAULT 0, -- kept by the triggers on devices
    UNIQUE (project_id, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX customers_in_order ON customers (project_id, create_time, id);

-- AUTOINCREMENT: a number is never used again, so that nothing that still carries the number of a removed device
-- can reach another one.
CREATE TABLE devices (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    device_key TEXT,
    tags TEXT NOT NULL, -- JSON object
    type_id TEXT REFERENCES device_types (id),
    customer_id TEXT REFERENCES customers (id) ON DELETE SET NULL,
    gateway_id TEXT REFERENCES devices (id),
    sub_address TEXT,
    access_token TEXT NOT NULL UNIQUE,
    view_token TEXT NOT NULL,
    device_code TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    search_text TEXT NOT NULL -- what a keyword is looked for in: name, device_key and id, case-folded, a line each
) STRICT;
CREATE UNIQUE INDEX devices_view_token ON devices (project_id, view_token);
CREATE UNIQUE INDEX devices_device_key ON devices (project_id, device_key) WHERE device_key IS NOT NULL;
CREATE UNIQUE INDEX devices_sub_address ON devices (gateway_id, sub_address) WHERE gateway_id IS NOT NULL;
-- The list of a project with most of its filters is answered from this index alone, without touching the rows.
CREATE INDEX devices_in_order ON devices (project_id, create_time, id, type_id, customer_id, search_text);
CREATE INDEX devices_of_type ON devices (type_id, create_time, id) WHERE type_id IS NOT NULL;
CREATE INDEX devices_of_customer ON devices (customer_id, create_time, id) WHERE customer_id IS NOT NULL;

CREATE TRIGGER devices_inserted AFTER INSERT ON devices
BEGIN
    UPDATE device_types SET device_count = device_count + 1 WHERE id = NEW.type_id;
    UPDATE customers SET device_count = device_count + 1 WHERE id = NEW.customer_id;
END;
CREATE TRIGGER devices_deleted AFTER DELETE ON devices
BEGIN
    UPDATE device_types SET device_count = device_count - 1 WHERE id = OLD.type_id;
    UPDATE customers SET device_count = device_count - 1 WHERE id = OLD.customer_id;
END;
CREATE TRIGGER devices_moved_type AFTER UPDATE OF type_id ON devices WHEN OLD.type_id IS NOT NEW.type_id
BEGIN
    UPDATE device_types SET device_count = device_count - 1 WHERE id = OLD.type_id;
    UPDATE device_types SET device_count = device_count + 1 WHERE id = NEW.type_id;
END;
CREATE TRIGGER devices_moved_customer AFTER UPDATE OF customer_id ON devices WHEN OLD.customer_id IS NOT NEW.customer_id
BEGIN
    UPDATE customers SET device_count = device_count - 1 WHERE id = OLD.customer_id;
    UPDATE customers SET device_count = device_count + 1 WHERE id = NEW.customer_id;
END;

CREATE TABLE device_groups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    parent_id TEXT REFERENCES device_groups (id),
    name TEXT NOT NULL,
    descr TEXT NOT NULL,
    tags TEXT NOT NULL, -- JSON object
    create_time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_groups_in_order ON device_groups (project_id, create_time, id);
CREATE INDEX device_groups_children ON device_groups (parent_id);

-- create_time and device_id never change; they stand here too so that the devices of a group lie in the order of lists.
CREATE TABLE device_group_members (
    group_id TEXT NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
    create_time INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    device_number INTEGER NOT NULL REFERENCES devices (number) ON DELETE CASCADE,
    PRIMARY KEY (group_id, create_time, device_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX device_group_members_of_device ON device_group_members (device_number, group_id);

CREATE TABLE sessions (
    device_number INTEGER PRIMARY KEY REFERENCES devices (number) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    session_id TEXT NOT NULL,
    node TEXT NOT NULL,
    protocol TEXT NOT NULL,
    client_id TEXT NOT NULL,
    remote_address TEXT NOT NULL,
    connected_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_of_project ON sessions (project_id);
CREATE INDEX sessions_of_node ON sessions (node);

-- Rows of the logs are numbered as they are appended: of equal instants the last appended is the newest.

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL, -- nothing is looked up by it
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    params TEXT NOT NULL, -- JSON object
    ts INTEGER NOT NULL
) STRICT;
CREATE INDEX events_in_order ON events (device_id, ts, seq);

CREATE TABLE commands (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    params TEXT NOT NULL, -- JSON value
    command_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    reply TEXT NOT NULL, -- JSON value
    create_time INTEGER NOT NULL,
    expire_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT;
CREATE INDEX commands_in_order ON commands (device_id, create_time, seq);
CREATE INDEX commands_open ON commands (device_id, seq) WHERE state IN ('queued', 'sent', 'delivered');

CREATE TABLE alarm_logs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id TEXT NOT NULL,
    alarm_status INTEGER NOT NULL,
    alarm_level INTEGER NOT NULL,
    alarm_info TEXT NOT NULL, -- JSON object
    notify_logs TEXT NOT NULL, -- JSON array
    create_time INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_logs_in_order ON alarm_logs (project_id, create_time, seq, alarm_level, alarm_status);
CREATE INDEX alarm_logs_of_device ON alarm_logs (device_id, create_time, seq, alarm_level, alarm_status);

CREATE TABLE open_alarms (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    rule_id TEXT NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    alarm_level INTEGER NOT NULL,
    raised_at INTEGER NOT NULL,
    PRIMARY KEY (device_id, rule_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX open_alarms_of_project ON open_alarms (project_id, device_id, alarm_level);
