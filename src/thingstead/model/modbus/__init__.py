"""Tables of a device type that make attributes of Modbus registers: their validation, and how frames are read."""
