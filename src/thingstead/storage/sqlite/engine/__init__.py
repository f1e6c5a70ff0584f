"""SQLite itself: the writer thread, read lanes, transactions, errors, schema."""
