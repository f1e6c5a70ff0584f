"""Forwarding: targets, the messages that they get, and what is kept about both."""
