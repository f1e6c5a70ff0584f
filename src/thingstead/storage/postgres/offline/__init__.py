"""What works on a database from outside of a server: logical backups."""
