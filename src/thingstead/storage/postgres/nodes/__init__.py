"""The nodes of a database: leases, who is active, and the streams that fence its writes."""
