"""Projects, device types, groups, devices and customers; registration and imports of devices."""
