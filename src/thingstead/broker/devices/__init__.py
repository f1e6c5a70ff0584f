"""Connections of devices and gateways: log-in, topics, commands, and their sessions."""
