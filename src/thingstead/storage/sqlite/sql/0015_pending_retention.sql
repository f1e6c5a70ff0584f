-- Rules of retention that replace those of the project at an instant (ms), unless they are taken back before.
ALTER TABLE retention ADD COLUMN pending_rules TEXT; -- NULL: there are none
ALTER TABLE retention ADD COLUMN pending_max_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE retention ADD COLUMN pending_at INTEGER NOT NULL DEFAULT 0;
