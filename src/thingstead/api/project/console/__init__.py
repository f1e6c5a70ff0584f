"""What the console asks of the API beside single things: changes of many devices, jobs, search, saved views, the audit
log, the state of the server."""
