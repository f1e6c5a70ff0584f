-- Which commands can still change, counted, matched and delivered without reading what they carry.
ALTER TABLE commands ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0; -- of params, as JSON
ALTER TABLE commands ADD COLUMN reply_defined INTEGER NOT NULL DEFAULT 1; -- by the device's type; 1: one without a reply expires
ALTER TABLE commands ADD COLUMN sent_qos INTEGER; -- NULL: not sent yet, or before this column
ALTER TABLE commands ADD COLUMN open INTEGER NOT NULL DEFAULT 1; -- 0: it has ended in its present state
UPDATE commands SET open = 0 WHERE state NOT IN ('queued', 'sent', 'delivered');
UPDATE commands SET size_bytes = length(CAST(params AS BLOB)) WHERE open = 1;
DROP INDEX commands_open;
DROP INDEX commands_expiring;
CREATE INDEX commands_open ON commands (
    device_id, seq, id, command_id, method, state, size_bytes, expire_time, sent_qos, open -- all that is asked for
) WHERE open = 1;
CREATE INDEX commands_expiring ON commands (expire_time) WHERE open = 1;
CREATE INDEX commands_lately ON commands (device_id, seq, command_id, method);
