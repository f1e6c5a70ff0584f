"""The data types of the platform: msgspec Structs and their validation. No clock, no I/O."""
