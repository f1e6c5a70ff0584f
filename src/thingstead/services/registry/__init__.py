"""What people set up: projects, device types, groups, devices, customers; registration and imports of devices."""
