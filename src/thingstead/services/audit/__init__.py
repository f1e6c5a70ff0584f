"""The audit log: who changed what, told to those who look, and kept for as long as is set."""
