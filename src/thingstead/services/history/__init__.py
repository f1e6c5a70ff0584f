"""Current values and history: reads, aggregates, tables, retention, removal."""
