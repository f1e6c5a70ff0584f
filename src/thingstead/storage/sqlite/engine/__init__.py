"""SQLite itself: the file, the writer thread, connections, errors, schema."""
