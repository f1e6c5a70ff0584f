"""The Project API (`/api/v1`)."""
