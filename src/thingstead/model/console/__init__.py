"""Changes of many devices, jobs and saved views."""
