"""Why a device does what it does: a checklist, and everything that happened to it in one order."""
