"""A package, so that it is found before a ``tests`` that a library brings along."""
