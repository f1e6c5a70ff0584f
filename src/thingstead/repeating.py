"""Work in the background that is done again and again, by one task."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from thingstead.errors import ThingsteadError

log = structlog.get_logger("thingstead.repeating")

RETRY_S = 5.0  # delay after a failure, unless the interval is shorter


class Repeating:
    """Runs background work at intervals, and on request. Failures are logged and retried.

    Args:
        name: of the work, for people.
        at_start: run first at once, not after one interval.

    Attributes:
        want: call it to run the work now, or once more after the current run.
        failure: of the last attempt; None: it succeeded.
        failures: failed attempts since the start.
    """

    def __init__(
        self, name: str, work: Callable[[], Awaitable[object]], interval_s: float, *, at_start: bool = False
    ) -> None:
        self._name = name
        self._work = work
        self._interval_s = interval_s
        self._wanted = asyncio.Event()
        if at_start:
            self._wanted.set()
        self._task: asyncio.Task[None] | None = None
        self.want = self._wanted.set
        self.failure: str | None = None
        self.failures = 0

    def start(self) -> None:
        """Starts the task, if it is not running; :meth:`close` ends it."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends the task; a run in progress is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_s):  # wait_for may lose a cancellation (Python 3.11)
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            if not await self.attempt():
                await asyncio.sleep(min(RETRY_S, self._interval_s))
                self._wanted.set()

    async def attempt(self) -> bool:
        """Runs the work once; False if it failed."""
        try:
            await self._work()
        except ThingsteadError as exc:
            self._failed(exc.message)
        except Exception as exc:  # noqa: BLE001 - a bug: logged there
            self._failed(f"{type(exc).__name__}: {exc}", exc)
        else:
            self.failure = None
        return self.failure is None

    def _failed(self, reason: str, bug: Exception | None = None) -> None:
        self.failure = reason
        self.failures += 1
        log.error("background work failed; retrying", work=self._name, error=reason, exc_info=bug)
