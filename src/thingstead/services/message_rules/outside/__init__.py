"""Actions of message rules that leave the platform: to addresses over HTTP, and to brokers over MQTT."""
