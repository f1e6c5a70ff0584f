"""The open port: a general MQTT server for tests and local tools."""
