"""Changes of many devices: at once, or as jobs that go on by themselves."""
