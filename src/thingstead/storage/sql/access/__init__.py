"""What tables, history and console stand on: the connection of an engine, queries, layouts of rows, the audit log."""
