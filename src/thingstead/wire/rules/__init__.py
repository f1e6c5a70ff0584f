"""What rules are and did."""
