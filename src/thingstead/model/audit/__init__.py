"""The audit log: who changed what, and how two states of a thing differ."""
