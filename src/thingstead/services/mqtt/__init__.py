"""What the MQTT broker needs of the store: log-in of applications, durable sessions."""
