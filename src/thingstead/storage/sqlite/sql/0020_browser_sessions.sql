-- Sessions of administrators in browsers, what a caller may do, and when an administrator logged in last (ms; 0: never).
ALTER TABLE administrators ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE administrators ADD COLUMN last_login_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE applications ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
CREATE INDEX administrators_of_all_projects ON administrators (account_key);

CREATE TABLE browser_sessions (
    id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL UNIQUE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    admin_id TEXT NOT NULL REFERENCES administrators (id) ON DELETE CASCADE,
    keep INTEGER NOT NULL,
    remote_address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX browser_sessions_of_administrator ON browser_sessions (admin_id, created_at);
CREATE INDEX browser_sessions_of_project ON browser_sessions (project_id, last_seen_at);
CREATE INDEX browser_sessions_by_expiry ON browser_sessions (expires_at);
