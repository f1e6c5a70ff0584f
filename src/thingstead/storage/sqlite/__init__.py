"""Embedded store: one SQLite file, owned by one process."""
