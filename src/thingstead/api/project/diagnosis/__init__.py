"""Why a device does what it does, and what happened to it."""
