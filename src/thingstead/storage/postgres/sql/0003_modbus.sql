-- Tables that make attributes of Modbus registers, of each device type.
ALTER TABLE device_types ADD COLUMN modbus text COLLATE "C" NOT NULL DEFAULT '{}'; -- JSON object
