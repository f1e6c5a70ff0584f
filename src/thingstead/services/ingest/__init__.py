"""Reports of devices: decoded, checked, counted against quotas, and added to a commit."""
