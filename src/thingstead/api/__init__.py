"""HTTP: the Project API, the device plane, the application plane and their description."""
