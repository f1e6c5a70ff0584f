"""The functions of all projects, as the rest of the server calls them."""

import asyncio
import importlib.util
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog

from thingstead.config.settings import FunctionSettings
from thingstead.metrics import Histogram
from thingstead.services.functions.frames import BYTES_ARGUMENT, JSON_ARGUMENT, LOAD_ONLY, NO_ARGUMENT
from thingstead.services.functions.lane import WorkerLane
from thingstead.services.functions.queue import CallQueue, FunctionCall
from thingstead.services.functions.results import FunctionResult
from thingstead.services.functions.strikes import FunctionState
from thingstead.services.shared.lru import Lru

log = structlog.get_logger("thingstead.functions")

SOURCE_LIMIT_LENGTH: Final = 65_536
STATES_LIMIT: Final = 10_000
CALL_BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0)
NOT_INSTALLED: Final = "functions are not available on this server: the package quickjs-ng is not installed"
SWITCHED_OFF: Final = "functions are switched off on this server: functions.workers is 0"

_encode = msgspec.json.Encoder().encode


def reads_current(source: str) -> bool:
    """Whether a function may ask for the current attributes of its device."""
    return "getCurrentAttributes" in source


def missing_reason(settings: FunctionSettings) -> str:
    """Why no function can be called on this server; empty: they can."""
    if settings.workers == 0:
        return SWITCHED_OFF
    if os.name != "posix" or importlib.util.find_spec("quickjs") is None:
        return NOT_INSTALLED
    return ""


class FunctionPool:
    """Runs functions in worker processes, which are started with the first call.

    Calls of one function may run in any order and more than once, if a worker process ends; only the last run counts.
    The faults of a function never raise: they are in the :class:`FunctionResult`.
    """

    def __init__(self, settings: FunctionSettings) -> None:
        self._settings = settings
        self.missing = missing_reason(settings)
        self._queue = CallQueue(settings.queue_max_calls, settings.queue_max_bytes)
        self._states: Lru[str, FunctionState] = Lru(STATES_LIMIT)
        self._numbers = 0
        self._lanes: list[WorkerLane] = []
        self._closed = False
        self.on_off: Callable[[str, str], None] | None = None  # told the key of a function that is off now, and why
        self.outcomes: Counter[str] = Counter()  # of calls, by reason; "ok" for a result
        self.durations = Histogram(CALL_BOUNDS_S)  # from the call to its end
        if self.missing == NOT_INSTALLED:
            log.warning(NOT_INSTALLED)

    @property
    def available(self) -> bool:
        """Whether functions can be called on this server."""
        return not self.missing

    @property
    def time_limit_ms(self) -> int:
        """How long a function may run."""
        return self._settings.time_limit_ms

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return self._queue.length

    @property
    def waiting_bytes(self) -> int:
        """Memory of the calls in the queue, approximately."""
        return self._queue.size_bytes

    @property
    def off(self) -> int:
        """Functions that are switched off."""
        return sum(1 for state in self._states.values() if state.off)

    @property
    def starts(self) -> int:
        """FunctionWorker processes started."""
        return sum(lane.starts for lane in self._lanes)

    @property
    def kills(self) -> int:
        """FunctionWorker processes killed because a function did not end."""
        return sum(lane.kills for lane in self._lanes)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [lane.process.pid for lane in self._lanes if lane.process is not None]

    def state(self, key: str) -> str:
        """Why a function is switched off; empty: it is not."""
        state = self._states.get(key)
        return state.off if state is not None else ""

    def reset(self, key: str) -> None:
        """Forgets the failures of a function, and switches it on again."""
        self._states.pop(key, None)

    async def check(self, source: str, *, project: str = "") -> FunctionResult:
        """Loads a function without calling it. The reason is empty if ``module.exports`` is a function."""
        result = await self._call("", source, LOAD_ONLY, "", project=project)
        return FunctionResult() if result.reason == "empty" else result

    async def call(
        self,
        key: str,
        source: str,
        argument: Any,
        *,
        on: str,
        project: str = "",
        zone: str = "+00:00",
        device: Mapping[str, Any] | None = None,
        current: Mapping[str, Any] | None = None,
        identifier: str = "",
        timeout_ms: int | None = None,
    ) -> FunctionResult:
        """Calls a function.

        Args:
            key: names the function for its failures; empty: a test run, whose failures are not counted.
            argument: a plain value, of which JSON is made; bytes if ``on`` is ``data``.
            on: what happened: ``data``, ``task`` (the function has no argument), or anything else.
            project: id of the project, which gets its share of the workers.
            zone: time zone of the project: a UTC offset, or an IANA name.
            device: what ``Cloud.getDeviceInfo()`` returns.
            current: what ``Cloud.getCurrentAttributes()`` returns; sent only if the text has this name.
            identifier: of custom data.
            timeout_ms: how long the caller waits; None: until the time-out of the queue. At most as long the function
                may run.
        """
        if on == "data":
            kind, text = BYTES_ARGUMENT, bytes(argument).hex()
        elif on == "task":
            kind, text = NO_ARGUMENT, ""
        else:
            kind, text = JSON_ARGUMENT, _encode(argument).decode()
        return await self._call(
            key,
            source,
            kind,
            text,
            project=project,
            zone=zone,
            device=device if "getDeviceInfo" in source else None,
            current=current if reads_current(source) else None,
            identifier=identifier,
            timeout_ms=timeout_ms,
        )

    async def close(self) -> None:
        """Ends the workers. Calls that wait get ``deadline``."""
        self._closed = True
        for lane in self._lanes:
            await lane.close()
        while calls := self._queue.take():
            for call in calls:
                call.done.set_result(FunctionResult(reason="deadline", detail="the server stops"))

    async def _call(
        self,
        key: str,
        source: str,
        kind: int,
        argument: str,
        *,
        project: str,
        zone: str = "+00:00",
        device: Mapping[str, Any] | None = None,
        current: Mapping[str, Any] | None = None,
        identifier: str = "",
        timeout_ms: int | None = None,
    ) -> FunctionResult:
        begun_s = time.perf_counter()
        if self.missing or len(source) > SOURCE_LIMIT_LENGTH:
            detail = self.missing or f"the function is longer than {SOURCE_LIMIT_LENGTH} characters"
            return self._ended(FunctionResult(reason="function_error", detail=detail), begun_s)
        state = self._state(key, source)
        if state.off:
            return self._ended(FunctionResult(reason="function_off", detail=state.off), begun_s)
        loop = asyncio.get_running_loop()
        call = FunctionCall(state, _plain(source), project, zone, loop.create_future())
        call.kind, call.argument, call.identifier = kind, argument, _plain(identifier)
        call.device = _encode(device).decode() if device is not None else None
        call.current = _encode(current).decode() if current is not None else None
        limit_ms = self._settings.time_limit_ms
        call.time_limit_ms = limit_ms if timeout_ms is None else max(1, min(timeout_ms, limit_ms))
        call.weigh()
        if self._closed or not self._queue.put(call):
            return self._ended(FunctionResult(reason="deadline", detail="too many calls wait"), begun_s)
        self._wake()
        wait_s = self._settings.wait_max_s if timeout_ms is None else timeout_ms / 1000
        timer = loop.call_later(wait_s, self._late, call)
        try:
            return self._ended(await call.done, begun_s)
        finally:
            timer.cancel()

    def _state(self, key: str, source: str) -> FunctionState:
        state = self._states.use(key) if key else None
        if state is None or state.text_hash != hash(source):
            self._numbers += 1
            state = FunctionState(self._numbers, source)
            if key:
                self._states.put(key, state)
                state.on_off = lambda reason: self._switched_off(key, reason)
        return state

    def _switched_off(self, key: str, reason: str) -> None:
        log.info("a function is switched off", function=key, reason=reason)
        if self.on_off is not None:
            self.on_off(key, reason)

    def _wake(self) -> None:
        if not self._lanes:
            self._lanes = [
                WorkerLane(self._queue, self._settings.hang_limit_ms / 1000) for _ in range(self._settings.workers)
            ]
        for lane in self._lanes:
            if lane.idle:
                lane.wake()
                break

    def _late(self, call: FunctionCall) -> None:
        if call.done.done():
            return
        running = any(lane.runs(call) for lane in self._lanes)
        call.done.set_result(
            FunctionResult(reason="function_time", detail="the function did not end in time")
            if running
            else FunctionResult(reason="deadline", detail="the workers are busy")
        )

    def _ended(self, result: FunctionResult, begun_s: float) -> FunctionResult:
        self.outcomes[result.reason or "ok"] += 1
        self.durations.observe(time.perf_counter() - begun_s)
        return result


def _plain(text: str) -> str:
    """A text without halves of surrogate pairs, which no frame carries."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
