-- Each change of the rules of a project increments the version; a project without a row has version 1.
ALTER TABLE retention ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
