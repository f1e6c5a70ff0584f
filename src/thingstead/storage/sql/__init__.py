"""Tables and history: the part of the store that every engine shares."""
