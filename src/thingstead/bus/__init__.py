"""The bus between the parts of one node, and between nodes: a doorbell that may lose. The store is the truth."""
