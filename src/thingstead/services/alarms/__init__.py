"""Alarm rules and alarms: evaluated for each report and as time passes, listed, acknowledged, explained."""
