"""Every call of the Project API, by group. Each function makes a :class:`~thingstead.client.call.Call`."""
