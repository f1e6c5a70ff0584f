"""History in SQLite: report log, heads, spool, blocks, and their retention."""
