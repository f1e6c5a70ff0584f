"""The verbs, one class a concern. Speaks to the store and the bus through their contracts."""
