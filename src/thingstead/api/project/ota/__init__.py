"""Endpoints of upgrades of firmware (OTA)."""
