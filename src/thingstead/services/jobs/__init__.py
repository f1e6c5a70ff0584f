"""Changes of many devices: at once, or as background jobs."""
