"""What the Project API answers, as Structs: the server encodes them, the client decodes them."""
