"""The open commit: everything appended between two turns of the event loop."""

from collections.abc import Callable

import structlog

from thingstead.model.report import Report
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.records import LogEntry

log = structlog.get_logger("thingstead.history")


Write = Callable[[Connection], None]


class Run:
    """Consecutive entries of one device with one code."""

    __slots__ = ("code", "entries", "head", "points", "reports", "size_bytes")

    def __init__(self, head: Head, code: int) -> None:
        self.head = head
        self.code = code
        self.entries: list[LogEntry] = []
        self.reports: list[Report] = []  # the reports of these entries, if they are reports
        self.points = 0
        self.size_bytes = 0


class Batch:
    """Reports of one commit (implements ``Commit``)."""

    __slots__ = ("_callbacks", "behind", "done", "error", "runs", "size_bytes", "writes")

    def __init__(self) -> None:
        self.done = False
        self.error: Exception | None = None
        self.runs: list[Run] = []
        self.size_bytes = 0  # entries and writes
        self.writes: list[Write] = []  # other writes of the same transaction
        self.behind: list[Write] = []  # those of them that are retried if the commit fails
        self._callbacks: list[Callable[[Exception | None], None]] = []

    def entries(self) -> list[LogEntry]:
        """Entries in the order in which they were appended."""
        return [entry for run in self.runs for entry in run.entries]

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        if self.done:
            callback(self.error)
        else:
            self._callbacks.append(callback)

    def end(self, error: Exception | None) -> None:
        self.done = True
        self.error = error
        for callback in self._callbacks:
            try:
                callback(error)
            except Exception:
                log.exception("a callback for a commit failed")
        self._callbacks.clear()
