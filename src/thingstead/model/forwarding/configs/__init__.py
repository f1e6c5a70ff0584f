"""Where a forwarding target is and how it is reached, by its kind."""
