"""Shared by services: commits, background tasks, rate limits, payloads, device logs."""
