-- Which channels have notices waiting, so that looking for them costs nothing for those that have none.

ALTER TABLE notify_channels ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
UPDATE notify_channels SET waiting = EXISTS (
    SELECT 1 FROM notices n WHERE n.channel_id = notify_channels.id AND n.state = 'waiting');
CREATE INDEX notify_channels_waiting ON notify_channels (project_id, max(next_try_at, lease_until)) WHERE waiting;

CREATE TRIGGER notices_wait AFTER INSERT ON notices WHEN NEW.state = 'waiting' BEGIN
    UPDATE notify_channels SET waiting = 1 WHERE id = NEW.channel_id AND NOT waiting;
END;
