"""Devices on raw TCP."""
