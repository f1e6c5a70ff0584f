"""The application plane over HTTP: applications reach one device with its certificate (wire reference §6)."""
