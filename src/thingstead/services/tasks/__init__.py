"""Tasks: planned, begun when they are due, and done to their devices in slices."""
