"""The bus between the parts of one node, and between nodes. Delivery is not guaranteed; the store is authoritative."""
