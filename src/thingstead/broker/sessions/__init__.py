"""MQTT sessions: what a client subscribed to, what waits for it, and how the store keeps both."""
