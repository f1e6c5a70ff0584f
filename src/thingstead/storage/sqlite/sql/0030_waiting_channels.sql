-- The condition of this index in the words that every engine understands.
DROP INDEX notify_channels_waiting;
CREATE INDEX notify_channels_waiting ON notify_channels (project_id, max(next_try_at, lease_until)) WHERE waiting = 1;
