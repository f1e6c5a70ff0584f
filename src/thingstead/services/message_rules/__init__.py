"""Message rules: kept, tried, traced, and what they do."""
