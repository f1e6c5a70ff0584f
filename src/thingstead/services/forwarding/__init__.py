"""Forwarding of messages to targets outside: what waits is in the store, in the commit of the message."""
