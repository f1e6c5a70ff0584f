-- Of which attributes of a device the current value is not from it, and what it had reported before; NULL: of none.
ALTER TABLE device_state ADD COLUMN sent BLOB;
