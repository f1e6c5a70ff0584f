"""The store of several nodes: a PostgreSQL database, written by the active one."""
