"""The tables: one class for each noun."""
