"""Message rules: what they listen to, what they do, and what waits to be done."""
