"""Tasks: what is done to devices at an instant or again and again, and its runs."""
