"""The web console: static files that use only the public API."""
