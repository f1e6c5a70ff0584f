"""Work in the background that is tried again when it fails."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from thingstead.errors import Unavailable

log = structlog.get_logger("thingstead.history")

RETRY_S = 5.0  # after work that failed


class Repeating:
    """Does the work whenever it is wanted, and at intervals. What fails is tried again; nothing is lost by that.

    Args:
        step: what is done, for people.
    """

    def __init__(self, step: str, work: Callable[[], Awaitable[None]], interval_s: float) -> None:
        self._step = step
        self._work = work
        self._interval_s = interval_s
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.want = self._wanted.set
        self.failure: str | None = None  # of the last attempt
        self.failures = 0

    def start(self) -> None:
        """:meth:`close` ends it."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
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
                await asyncio.sleep(RETRY_S)
                self._wanted.set()

    async def attempt(self) -> bool:
        """Does the work once; False where it failed."""
        try:
            await self._work()
        except Unavailable as exc:
            self._failed(exc.message)
        except Exception as exc:  # noqa: BLE001 - a bug: logged there
            self._failed(f"{type(exc).__name__}: {exc}", exc)
        else:
            self.failure = None
        return self.failure is None

    def _failed(self, reason: str, bug: Exception | None = None) -> None:
        self.failure = reason
        self.failures += 1
        log.error("packing failed; retrying", step=self._step, error=reason, exc_info=bug)
