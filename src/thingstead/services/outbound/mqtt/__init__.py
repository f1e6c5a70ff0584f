"""Outgoing MQTT: publishes at QoS 1 to brokers of others."""
