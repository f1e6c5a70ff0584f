"""Log-in of application subscribers, and storage of MQTT sessions."""
