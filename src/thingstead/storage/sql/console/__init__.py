"""What the console asks of the store: changes of many devices and their jobs, search, views, message statistics."""
