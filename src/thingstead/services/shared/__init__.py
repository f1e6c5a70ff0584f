"""What several services share: commits, background tasks, rate limits, payloads, device logs."""
