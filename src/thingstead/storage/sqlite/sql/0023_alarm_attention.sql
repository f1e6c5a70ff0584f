-- Alarms that are open or that nobody has acknowledged: what the first view of alarms shows, and its counts.
CREATE INDEX alarms_attention ON alarms (project_id, raised_at, seq, alarm_level, cleared_at, acknowledged_at, device_id)
WHERE cleared_at IS NULL OR acknowledged_at IS NULL;
