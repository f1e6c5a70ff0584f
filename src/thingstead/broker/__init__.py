"""Devices over MQTT: connections, log-in, topics, what goes up and what goes down."""
