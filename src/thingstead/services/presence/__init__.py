"""Presence of devices, and of sub-devices behind gateways."""
