"""Who may call the API: applications, administrators, tokens, passwords, failed log-ins."""
