"""Work in the background that is done again and again, by one task."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from thingstead.errors import ThingsteadError

log = structlog.get_logger("thingstead.repeating")

RETRY_S = 5.0  # after work that failed, unless the interval is shorter


class Repeating:
    """Does the work at intervals, and whenever it is wanted. What fails is logged and tried again.

    Args:
        name: what is done, for people.
        at_start: the first run comes at once; else after one interval.

    Attributes:
        want: has the work done now, or once more after the run that is under way.
        failure: of the last attempt; None: it succeeded.
        failures: attempts that failed, since the start.
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
        """Begins, unless it runs already; :meth:`close` ends it."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends it; a run under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_s):  # wait_for may swallow a cancellation
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            if not await self.attempt():
                await asyncio.sleep(min(RETRY_S, self._interval_s))
                self._wanted.set()

    async def attempt(self) -> bool:
        """Does the work once; False where it failed."""
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
