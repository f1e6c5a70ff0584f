"""The audit log: records who changed what, shows it to administrators, and applies its retention."""
