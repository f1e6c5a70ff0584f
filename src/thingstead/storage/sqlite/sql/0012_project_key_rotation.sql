-- The ProjectKey before the last rotation, and until when (ms) devices may still use it.
ALTER TABLE projects ADD COLUMN previous_project_key TEXT;
ALTER TABLE projects ADD COLUMN previous_key_until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX projects_previous_key ON projects (previous_project_key) WHERE previous_project_key IS NOT NULL;
