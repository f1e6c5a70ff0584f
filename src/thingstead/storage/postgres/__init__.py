"""Store of several nodes: one PostgreSQL database, written by the active one."""
