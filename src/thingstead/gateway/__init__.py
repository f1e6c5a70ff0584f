"""Devices and subscribers over MQTT and raw TCP."""
