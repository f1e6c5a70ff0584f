"""What the console asks for beside single things: changes of many devices and their jobs, saved views."""
