"""The embedded store: one SQLite file, kept by one process."""
