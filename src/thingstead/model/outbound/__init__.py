"""Addresses and credentials of what the server connects to: brokers, and members whose values are secret."""
