"""What is set up to happen by itself: forwarding, tasks, upgrades of firmware."""
