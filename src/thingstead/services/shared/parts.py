"""Runs independent parts of a task; a failure of one does not stop the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from thingstead.errors import ThingsteadError


class Parts:
    """The parts of one piece of work that is done again and again.

    Args:
        work: what is done, for the log.
        logger: where failures go. A part that fails is logged once, until it was done again.
    """

    def __init__(self, work: str, logger: structlog.stdlib.BoundLogger) -> None:
        self._work = work
        self._log = logger
        self._failing: set[tuple[str, ...]] = set()

    @contextmanager
    def part(self, name: str, **of: str) -> Iterator[None]:
        """The block is one part, ``of`` something, such as a project. Its exceptions end here."""
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
        """Notes a failure; whether it is the first since the part was done."""
        first = key not in self._failing
        self._failing.add(key)
        return first
