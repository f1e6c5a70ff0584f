"""One module a case. Each has a ``CASE``; ``bench/run`` finds it by the module's name."""
