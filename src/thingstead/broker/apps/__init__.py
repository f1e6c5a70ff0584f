"""Connections of applications: subscriptions to a project, and the fan-out of messages to them."""
