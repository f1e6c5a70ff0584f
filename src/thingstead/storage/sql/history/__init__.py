"""History: report log, heads, spool, blocks, and their retention."""
