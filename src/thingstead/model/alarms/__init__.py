"""Alarms, their rules, and the notices of them."""
