"""Work that a service does again and again, by one task that the service owns."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from thingstead.errors import ThingsteadError

log = structlog.get_logger("thingstead.periodic")


class Periodic:
    """Runs ``work`` every ``interval_s`` seconds. A run that fails is logged, and the next one comes all the same."""

    def __init__(self, name: str, interval_s: float, work: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins, unless it runs already; the first run comes after one interval."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Ends it; a run under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._work()
            except ThingsteadError as exc:
                log.warning("periodic work failed; retrying", work=self._name, error=exc.message)
            except Exception:
                log.exception("periodic work failed; retrying", work=self._name)
