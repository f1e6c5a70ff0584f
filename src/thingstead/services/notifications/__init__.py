"""Notices of alarms: channels, texts, delivery over HTTP and SMTP."""
