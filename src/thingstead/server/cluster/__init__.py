"""A server that is one of several nodes over a database, of which one is active."""
