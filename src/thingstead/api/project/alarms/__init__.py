"""Alarms: rules, alarms, their messages, and whom they tell."""
