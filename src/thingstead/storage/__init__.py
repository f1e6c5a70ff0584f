"""Persistent state: the contract (base) and its engines."""
