"""What people see of work that takes a while: a bar on a terminal, nothing where no terminal is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar on standard error. Yields a function that takes the units done and their total."""
    with click.progressbar(length=1, label=label, file=sys.stderr, width=32) as shown:

        def tell(done: int, total: int) -> None:
            shown.length = max(total, 1)
            shown.update(done - shown.pos)

        yield tell
