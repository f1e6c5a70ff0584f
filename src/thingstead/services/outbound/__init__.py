"""Connections that the server opens to others: which addresses are allowed, HTTP within bounds."""
