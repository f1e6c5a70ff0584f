"""The nouns of the platform: msgspec Structs and their validation. Reads no clock and does no I/O."""
