"""Structs of the answers of the Project API: encoded by the server, decoded by the client."""
