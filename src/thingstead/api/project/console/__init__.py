"""What the console asks of the API beside single things: changes of many devices, jobs, search, saved views."""
