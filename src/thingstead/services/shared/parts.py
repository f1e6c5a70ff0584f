"""Runs independent parts of a task; a failure of one does not stop the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from thingstead.errors import ThingsteadError


class Parts:
    """Parts of a repeated piece of work that fail independently.

    Args:
        work: name of the work, for the log.
        logger: of failures. A part that fails is logged once, until it succeeds again.
    """

    def __init__(self, work: str, logger: structlog.stdlib.BoundLogger) -> None:
        self._work = work
        self._log = logger
        self._failing: set[tuple[str, ...]] = set()

    @contextmanager
    def part(self, name: str, **of: str) -> Iterator[None]:
        """Runs the block as one part, with ``of`` as details (such as a project). Its exceptions are logged and
        suppressed."""
        key = (name, *of.values())
        event = f"a part of {self._work} failed; retrying"
        try:
            yield
        except ThingsteadError as exc:
            if self._fails(key):
                self._log.error(event, part=name, **of, error=exc.message)
        except Exception:  # noqa: BLE001 - a bug: logged here
            if self._fails(key):
                self._log.exception(event, part=name, **of)
        else:
            self._failing.discard(key)

    def _fails(self, key: tuple[str, ...]) -> bool:
        """Records a failure. Returns whether it is the first since the last success."""
        first = key not in self._failing
        self._failing.add(key)
        return first
