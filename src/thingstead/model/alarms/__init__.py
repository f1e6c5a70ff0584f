"""Alarms, alarm rules and notices."""
