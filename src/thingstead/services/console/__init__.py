"""Search, saved views and preferences of the console; numbers of messages."""
