"""Benchmarks: black-box, beside peers in the same run, reported as medians and ratios."""
