"""The tables of SQLite: one class for each noun."""
