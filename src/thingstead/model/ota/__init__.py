"""Upgrades of firmware (OTA): versions, rollouts, and the upgrades of devices."""
