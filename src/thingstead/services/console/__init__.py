"""What the console keeps and looks up for people: search, saved views, preferences."""
