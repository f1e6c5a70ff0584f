"""PostgreSQL itself: connections, the writer and its fence, unknown outcomes, errors."""
