"""Reports of devices: decoded, checked, charged to quotas, and put into a commit."""
