"""One MQTT connection: handshake, messages up and acknowledged, messages down."""
