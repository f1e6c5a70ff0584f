"""The writer's transactions: fenced, committed as a group, and known in their outcome.

Each transaction begins with the fence, which holds the stream of this node's activity open until the end; once another
node has closed the stream, nothing can be committed any more. A connection that is lost before COMMIT has committed
nothing, and the jobs run again on the next one. If it is lost in COMMIT, the next one waits until the server has ended
the lost one, and then asks it for the outcome. A server that crashed gives the numbers of transactions that did not
reach its disk to others: it is asked for a row that one of the jobs has added.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog

from thingstead.errors import ThingsteadError, Unavailable
from thingstead.refusals import Reason, reason
from thingstead.storage.postgres.engine.connection import Backend, PostgresConnection
from thingstead.storage.postgres.engine.errors import (
    DRIVER_ERRORS,
    ends_all,
    is_disk_full,
    is_fenced,
    may_go_again,
    translated,
)
from thingstead.storage.sql.access.writer import Jobs, WriteJob

log = structlog.get_logger("thingstead.storage")

PATIENCE_S = 10.0  # for a database that cannot be reached; then the writes that wait fail
PAUSE_S, PAUSES_S = 0.05, 0.5  # between two attempts: at first, and at most
AGAIN_COUNT = 20  # attempts of a transaction whose statements fail with the server
FULL_S = 10.0  # after a commit that found the disk full; meanwhile smaller ones may succeed, which ends nothing
ALONE_COUNT = 3  # jobs that may fail before those of a group run in savepoints

_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ? AND backend_start::text = ?"
# A number of the future is one that a crash has forgotten.
_STATUS = """
SELECT CASE WHEN ?1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot()) THEN pg_xact_status(?1::text::xid8)
ELSE 'aborted' END
"""


class UnknownOutcome(Exception):
    """It cannot be known whether a transaction was committed."""


class _Failed(Exception):
    """A job of a group failed; what it did may have to be undone."""

    def __init__(self, job: WriteJob) -> None:
        super().__init__()
        self.job = job


class Committing:
    """Commits groups of jobs over one connection; runs in the writer's thread.

    Args:
        stream: of the activity of this node; None: there is no fence, since nobody else writes.
        fenced: called, in the thread, when this activity must end, with the reason.
        given_up: returns whether the store is closed or given up, so that nothing is waited for any more.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        stream: int | None,
        fenced: Callable[[str], None],
        given_up: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._fenced = fenced
        self._given_up = given_up
        self._begin = b"BEGIN; SELECT " + (b"pg_current_xact_id()" if stream is None else b"fence(%d)" % stream)
        self.trouble: Reason | None = None  # why nothing can be committed now
        self.commits_failed = 0
        self._full_until_s = 0.0

    def commit(self, jobs: Jobs) -> None:
        """Runs jobs in one transaction; sets the result or the error of each."""
        try:
            self._commit(jobs)
        except Exception as exc:
            self.commits_failed += 1
            full = is_disk_full(exc)
            if not full or time.monotonic() >= self._full_until_s:  # a full disk is told once, not with each report
                bug = None if isinstance(exc, (*DRIVER_ERRORS, ThingsteadError, UnknownOutcome)) else exc
                log.error("a commit failed", error=str(exc), jobs=len(jobs), exc_info=bug)
            if full:
                self._full_until_s = time.monotonic() + FULL_S
            self.trouble = reason("database_unwritable", detail=str(exc))
            self._undo()
            for job in jobs:
                job.error = Unavailable(self.trouble)  # also of one that failed because of others
            if is_fenced(exc):
                self._fenced("another node has become active")
            elif isinstance(exc, UnknownOutcome):
                self._fenced(str(exc))
        else:
            if self.trouble is not None and time.monotonic() >= self._full_until_s:
                self.trouble = None

    def _commit(self, jobs: Jobs) -> None:
        left = list(jobs)
        attempts = 0
        while left:
            try:
                if len(left) == 1 and left[0].single_statement:
                    self._run_single(left[0])
                else:
                    self._transaction(left, savepoints=len(jobs) - len(left) >= ALONE_COUNT)
            except _Failed as exc:
                self._undo()
                left.remove(exc.job)
                continue
            except DRIVER_ERRORS as exc:
                attempts += 1
                if attempts >= AGAIN_COUNT or not isinstance(exc, psycopg.Error) or not may_go_again(exc):
                    raise
                log.warning("a transaction is tried again", error=str(exc), jobs=len(left))
                self._undo()
                if self._connection.broken:
                    self._connection.renew()
                if attempts > 1:
                    time.sleep(PAUSE_S)
                continue
            return

    def _run_single(self, job: WriteJob) -> None:
        """Runs a job of one statement, which has the fence in it and is a transaction by itself."""
        connection = self._connected()
        backend = connection.backend
        try:
            job.result = job.run(connection)
        except DRIVER_ERRORS as exc:
            if not connection.broken:
                if ends_all(exc):
                    raise
                job.error = exc
                return
            assert job.proof is not None, "a single statement has a proof"
            if not self._proved(backend, *job.proof):
                raise  # it was not committed; it is tried again

    def _transaction(self, jobs: list[WriteJob], *, savepoints: bool) -> None:
        connection = self._connected()
        backend = connection.backend
        xid = str(connection.simple(self._begin)[0][0])
        for job in jobs:
            self._run_job(job, savepoint=savepoints, alone=len(jobs) == 1)
        if len(jobs) == 1 and jobs[0].error is not None:
            self._undo()
            return
        try:
            connection.simple(b"COMMIT")
        except DRIVER_ERRORS:
            if not connection.broken or not self._committed(backend, xid, jobs):
                raise

    def _run_job(self, job: WriteJob, *, savepoint: bool, alone: bool) -> None:
        connection = self._connection
        job.error = None
        if savepoint:
            connection.simple(b"SAVEPOINT job")
        wrote = connection.writes
        try:
            job.result = job.run(connection)
        except Exception as exc:
            if ends_all(exc):
                raise
            job.error = translated(exc) if isinstance(exc, DRIVER_ERRORS) else exc
        else:
            if connection.failed:  # it caught the error of a statement; nothing of the transaction could be kept
                job.error = Unavailable("database_unusable", detail="a statement failed")
        if savepoint:
            connection.simple(b"RELEASE job" if job.error is None else b"ROLLBACK TO job; RELEASE job")
        elif job.error is not None and not alone and (connection.failed or connection.writes != wrote):
            raise _Failed(job)

    def _undo(self) -> None:
        connection = self._connection
        if connection.broken:
            connection.renew()
        elif connection.in_transaction:
            try:
                connection.simple(b"ROLLBACK")
            except DRIVER_ERRORS:
                connection.renew()

    # Connections that were lost

    def _connected(self) -> PostgresConnection:
        """The connection; waits for the database if it cannot be reached.

        Raises:
            Unavailable: it cannot be reached for :data:`PATIENCE_S`, or the store was given up.
        """
        if self._given_up():
            raise Unavailable("store_closing")
        if self._connection.broken:
            self._connection.renew()
        begun_s, pause_s = time.monotonic(), PAUSE_S
        while True:
            try:
                _ = self._connection.raw
            except DRIVER_ERRORS as exc:
                error = translated(exc)
                if self.trouble is None:
                    log.error("the database cannot be reached", error=error.message)
                self.trouble = reason("database_unwritable", detail=error.message)
                if self._given_up() or time.monotonic() - begun_s > PATIENCE_S:
                    raise error from exc
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSES_S)
            else:
                return self._connection

    def _committed(self, backend: Backend, xid: str, jobs: list[WriteJob]) -> bool:
        """Whether a transaction was committed whose connection was lost in COMMIT."""
        row = self._ask(backend, _STATUS, (xid,))
        status = None if row is None else row[0]
        crashed = not backend.life or self._connection.backend.life != backend.life
        proof = next((job.proof for job in jobs if job.proof is not None and job.error is None), None)
        if crashed and proof is not None:
            status = "committed" if self._proved(backend, *proof) else "aborted"
        elif crashed and status != "aborted":
            status = f"{status}, by this transaction or by another one with its number since the server crashed"
        if status not in ("committed", "aborted"):
            raise UnknownOutcome(f"the outcome of transaction {xid} is not known: {status}")
        log.warning("the connection was lost in a commit", outcome=status)
        return bool(status == "committed")

    def _proved(self, backend: Backend, sql: str, parameters: Any) -> bool:
        """Whether a statement was committed whose connection was lost."""
        return self._ask(backend, sql, parameters) is not None

    def _ask(self, backend: Backend, sql: str, parameters: Any) -> Any:
        """Asks over a new connection, once the server has ended the lost one."""
        begun_s = time.monotonic()
        while True:
            try:
                self._connection.renew()
                connection = self._connected()
                while connection.execute(_TERMINATE, backend[:2]).fetchone() is not None:
                    if time.monotonic() - begun_s > PATIENCE_S:
                        raise UnknownOutcome("the server does not end a connection that was lost in a commit")
                    time.sleep(PAUSE_S)
                return connection.execute(sql, parameters).fetchone()
            except ThingsteadError as exc:
                raise UnknownOutcome(f"the database cannot be asked for the outcome of a commit: {exc}") from exc
            except DRIVER_ERRORS as exc:
                if time.monotonic() - begun_s > PATIENCE_S:
                    raise UnknownOutcome(f"the outcome of a commit cannot be read: {exc}") from exc
