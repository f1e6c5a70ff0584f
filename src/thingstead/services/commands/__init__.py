"""Attributes and commands to devices, their states, and the replies."""
