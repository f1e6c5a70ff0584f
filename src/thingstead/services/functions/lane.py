"""What one worker process is given to do, one batch after another, and what its answers mean for the functions."""

import asyncio
import time
from typing import Final

import structlog

from thingstead.services.functions.frames import CallAnswer, CallBatch, CallItem
from thingstead.services.functions.process import WorkerEnded, WorkerProcess
from thingstead.services.functions.queue import CallQueue, FunctionCall
from thingstead.services.functions.results import FunctionReason, FunctionResult, read_result
from thingstead.services.functions.strikes import KILL_COUNT

log = structlog.get_logger("thingstead.functions")

STARTS_COUNT: Final = 3  # attempts in a row, before those who wait are told
RETRY_S: Final = 0.1
CRASHES_LIMIT: Final = 2  # of the worker while it runs one call; then it is the function's fault

REASONS: dict[str, FunctionReason] = {"error": "function_error", "time": "function_time", "memory": "function_memory"}


class WorkerLane:
    """Takes batches from the queue while there are any."""

    def __init__(self, queue: CallQueue, hang_limit_s: float) -> None:
        self._queue = queue
        self._hang_limit_s = hang_limit_s
        self.process: WorkerProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._calls: dict[int, FunctionCall] = {}  # under way, by number of the item
        self._numbers = 0
        self._failed_starts = 0
        self.starts = 0
        self.kills = 0

    @property
    def idle(self) -> bool:
        """Whether it takes no batches until it is woken."""
        return self._task is None or self._task.done()

    def wake(self) -> None:
        """There is something in the queue."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="functions")

    def runs(self, call: FunctionCall) -> bool:
        """Whether the function runs at this moment."""
        return self.process is not None and self._calls.get(self.process.running) is call

    async def close(self) -> None:
        """Ends the process. Calls under way get ``deadline``."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end_process()
        for call in self._calls.values():
            _tell(call, FunctionResult(reason="deadline", detail="the server stops"))
        self._calls.clear()

    async def _run(self) -> None:
        while calls := self._queue.take():
            self._calls = {self._numbers + place: call for place, call in enumerate(calls, 1)}
            self._numbers += len(calls)
            try:
                if self.process is None:
                    self.starts += 1
                    process = WorkerProcess(self._hang_limit_s, self._answered)
                    await process.start()
                    self.process = process
                await self.process.run(self._batch(self.process))
            except WorkerEnded as ended:
                await self._recover(ended)
            except OSError as exc:
                log.warning("a worker process of functions does not start", error=str(exc))
                await self._not_started()

    def _batch(self, process: WorkerProcess) -> CallBatch:
        sources: dict[int, str] = {}
        items = []
        for number, call in self._calls.items():
            function = call.state.number
            if function not in process.known:
                sources[function] = call.source
            items.append(
                CallItem(
                    number,
                    function,
                    call.kind,
                    call.argument,
                    call.device,
                    call.current,
                    call.identifier,
                    call.zone,
                    call.time_limit_ms,
                )
            )
        return CallBatch(sources, items)

    def _answered(self, answer: CallAnswer) -> None:
        call = self._calls.pop(answer.number)
        if answer.status == "unknown":  # the worker dropped its source
            assert self.process is not None  # it answered
            self.process.known.discard(call.state.number)
            self._queue.put_back(call)
            return
        self._failed_starts = 0
        self._queue.charge(call, answer.took_us)
        logs = tuple(answer.lines)
        if answer.status != "ok":
            self._failed(call, REASONS[answer.status], answer.text, answer.took_us, logs)
            return
        try:
            value = read_result(answer.text, (call.argument, call.current))
        except (ValueError, RecursionError, OverflowError):
            detail = "the result is no JSON: it has half of a surrogate pair, or is nested too deeply"
            self._failed(call, "function_error", detail, answer.took_us, logs)
            return
        call.state.succeeded(answer.took_us)
        _tell(call, FunctionResult(value, "empty" if value is None or value == {} else "", "", logs))

    def _failed(
        self,
        call: FunctionCall,
        reason: FunctionReason,
        detail: str,
        took_us: int,
        logs: tuple[str, ...] = (),
        count: int = 1,
    ) -> None:
        call.state.failed(detail, time.monotonic(), took_us, count)
        _tell(call, FunctionResult(None, reason, detail, logs))

    async def _recover(self, ended: WorkerEnded) -> None:
        """The function that ran answers for the end of its worker; everything else is sent again."""
        assert self.process is not None  # it ended just now
        answered = self.process.answers
        await self._end_process()
        guilty = self._calls.pop(ended.item, None)
        if guilty is None and answered == 0:
            await self._not_started()
            return
        for call in reversed(self._calls.values()):
            self._queue.put_back(call)
        self._calls.clear()
        if guilty is None:
            return
        guilty.crashes += 1
        took_us = round(self._hang_limit_s * 1e6)
        if ended.killed:
            self.kills += 1
            self._queue.charge(guilty, took_us)
            self._failed(guilty, "function_time", "the function did not end: its process was killed", took_us,
                         count=KILL_COUNT)  # fmt: skip
        elif guilty.crashes >= CRASHES_LIMIT:
            self._failed(guilty, "function_error", "the function made its process crash", took_us, count=KILL_COUNT)
        else:
            self._queue.put_back(guilty)

    async def _not_started(self) -> None:
        self._failed_starts += 1
        for call in reversed(self._calls.values()):
            self._queue.put_back(call)
        self._calls.clear()
        if self._failed_starts % STARTS_COUNT == 0:
            log.error("functions cannot run: the worker process ends at once", attempts=self._failed_starts)
            while calls := self._queue.take():
                for call in calls:
                    _tell(call, FunctionResult(reason="deadline", detail="the worker process does not start"))
        await asyncio.sleep(min(RETRY_S * 2**self._failed_starts, 10.0))

    async def _end_process(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            await process.close()


def _tell(call: FunctionCall, result: FunctionResult) -> None:
    if not call.done.done():
        call.done.set_result(result)
