"""Modbus behind custom data streams: answers read with tables, polls, and writes of pushed attributes."""
