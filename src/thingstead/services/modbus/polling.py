"""Requests that the server sends to Modbus devices: polls at intervals, and writes of pushed attributes.

A stream has one request under way. Its answer, or the end of its time, lets the next one go. What is due later is kept
in memory alone: after a restart it begins again when the device connects.
"""

import asyncio
import random
from contextlib import suppress

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config.settings import ModbusSettings
from thingstead.errors import FieldError, ThingsteadError
from thingstead.modbus import requests
from thingstead.modbus.frames import ReadRequest
from thingstead.modbus.registers import Unwritable
from thingstead.model.messages import (
    AttributesPushed,
    DataSent,
)
from thingstead.model.modbus.compiled import refused_write
from thingstead.model.modbus.reading import SentRequest, UsedFrame
from thingstead.refusals import reason
from thingstead.services.modbus.polled import Key, PolledDevices
from thingstead.services.modbus.state import WRITES_COUNT, GroupState, StreamState, WaitingWrite
from thingstead.services.modbus.streams import ModbusStreams
from thingstead.services.shared.device_logs import PARTS_REFUSED, DeviceLogService
from thingstead.services.shared.pace import Pace
from thingstead.storage.base import Store
from thingstead.timers import DueQueue

log = structlog.get_logger("thingstead.modbus")

FIRST_POLL_S = (1.0, 10.0)  # after the device connected, at random, and no later than its interval
WRITE_ATTEMPTS = 3
BACK_OFF = 8  # a group without an answer is asked at up to so many times its interval
MISSES_FREE = 2  # answers in a row that may be missing before that
TURNS_AT_ONCE = 500  # streams that have their turn before others of the event loop do
LONGEST_SLEEP_S = 1.0
RETRY_S = 1.0


class ModbusPolls:
    """Sends requests to connected devices. Not active until :meth:`start`.

    Attributes:
        asked: requests that were sent.
        timed_out: those without an answer in time.
        left_out: polls that were put off, because the project had too many in that second.
    """

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, logs: DeviceLogService, streams: ModbusStreams,
        settings: ModbusSettings,
    ) -> None:  # fmt: skip
        self._store = store
        self._bus = bus
        self._clock = clock
        self._logs = logs
        self.streams = streams
        streams.answered = self._answered
        self._pace = Pace(clock, settings.project_polls_per_s)
        self._due: DueQueue[Key, float] = DueQueue()  # by monotonic seconds
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.asked = self.timed_out = self.left_out = 0
        self.devices = PolledDevices(store, bus, streams, settings, self._schedule, self._due.cancel, self._wake.set)
        self._subscription = bus.subscribe(AttributesPushed, self._pushed)

    async def start(self, *, run: bool = True) -> None:
        """Reads which types have tables. ``run``: also starts the task that calls :meth:`sweep`."""
        await self.devices.read_types()
        if run:
            self._task = asyncio.create_task(self._run(), name="modbus")

    async def close(self) -> None:
        """Stops the task."""
        self._subscription.cancel()
        self.devices.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _schedule(self, key: Key, state: StreamState) -> None:
        """Lets the first requests to a stream be due soon, spread at random."""
        now_s = self._clock.monotonic_s()
        least, most = FIRST_POLL_S
        for group in state.groups:
            spread_s = max(least, min(most, group.group.interval_ms / 1000))
            group.due_s = now_s + random.uniform(least, spread_s)  # noqa: S311 - spreads the load
        self._put(key, state)

    def _put(self, key: Key, state: StreamState) -> None:
        due = self._next_due(state)
        if due is not None:
            self._due.put(key, due)

    # Writes

    def _pushed(self, message: AttributesPushed) -> None:
        """Lets the registers of pushed attributes be written."""
        for key in self.devices.keys_of(message.device_id):
            state = self.streams.polled[key]
            refused: list[FieldError] = []
            for attribute in message.attributes.keys() & state.table.writes.keys():
                write = state.table.writes[attribute]
                try:
                    pdu = write.make(message.attributes[attribute])
                except Unwritable:
                    refused.append(refused_write(attribute))
                    continue
                if len(state.writes) >= WRITES_COUNT:
                    self._unwritten(state, state.writes.popleft(), "modbus_write_full")
                state.writes.append(WaitingWrite(attribute, write.unit_id, pdu))
                if state.sent is None:
                    self._due.put(key, self._clock.monotonic_s())
                    self._wake.set()
            if refused:
                self._logs.rejected(state.device, f"data/{key[1]}/set", PARTS_REFUSED, refused, b"")

    def _unwritten(self, state: StreamState, write: WaitingWrite, code: str) -> None:
        why = reason(code, unit=write.unit_id, timeout_ms=state.table.timeout_ms)
        identifier = state.table.identifier
        self.streams.note(state.device, identifier, "down", write.pdu, "dropped", why)
        errors = [FieldError(write.attribute, why)]
        self._logs.rejected(state.device, f"data/{identifier}/set", PARTS_REFUSED, errors, write.pdu)

    # Turns

    async def sweep(self) -> None:
        """Looks up what changed, and gives every stream that is due its turn."""
        self._turns_due()
        while await self.devices.look_up():
            self._turns_due()
        self._turns_due()

    def _turns_due(self) -> None:
        """Gives streams that are due their turn, as many as the event loop can be kept for."""
        for _ in range(TURNS_AT_ONCE):
            key = self._due.take(self._clock.monotonic_s())
            if key is None:
                return
            self._turn(key)

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except ThingsteadError as exc:
                log.warning("devices could not be polled; retrying", error=exc.message)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("polls of devices failed; retrying")
                await asyncio.sleep(RETRY_S)
            due = self._due.next_due()
            idle_s = LONGEST_SLEEP_S
            if due is not None:
                idle_s = min(LONGEST_SLEEP_S, max(0.0, due - self._clock.monotonic_s()))
            with suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()
            self._wake.clear()

    def _turn(self, key: Key) -> None:
        state = self.streams.polled.get(key)
        if state is None:
            return
        now_s = self._clock.monotonic_s()
        if state.sent is not None and now_s < state.sent_until_s:
            self._due.put(key, state.sent_until_s)
            return
        if state.sent is not None:
            self._missed(state)
            state.late_until_s = now_s + state.table.timeout_ms / 1000
        if state.writes:
            self._write(state, state.writes.popleft())
        else:
            self._poll(state, now_s)
        self._put(key, state)

    def _next_due(self, state: StreamState) -> float | None:
        if state.sent is not None:
            return state.sent_until_s
        if state.writes:
            return self._clock.monotonic_s()
        return min((group.due_s for group in state.groups if group.group.interval_ms), default=None)

    def _poll(self, state: StreamState, now_s: float) -> None:
        group = min(
            (each for each in state.groups if each.group.interval_ms), key=lambda each: each.due_s, default=None
        )
        if group is None or group.due_s > now_s:
            return
        if state.late is not None and now_s < state.late_until_s and _alike(state.late, group.group.request):
            group.due_s = state.late_until_s  # a late answer would be taken for that to this request
            return
        state.late = None
        wait_s = self._pace.wait_s(state.device.project_id)
        if wait_s > 0:
            group.due_s = now_s + wait_s
            self.left_out += 1
            return
        self._pace.spent(state.device.project_id, 1)
        interval_s = group.group.interval_ms / 1000
        interval_s *= min(BACK_OFF, 2 ** max(0, group.missed - MISSES_FREE))
        group.due_s = max(group.due_s + interval_s, now_s + interval_s / 2)  # missed ones are left out
        group.asked += 1
        group.last_ask_at = self._clock.now_ms()
        request = group.group.request
        self._send(state, request.unit_id, requests.read_pdu(request), group)

    def _write(self, state: StreamState, write: WaitingWrite) -> None:
        state.write = write._replace(attempts=write.attempts + 1)
        self._send(state, write.unit_id, write.pdu, None)

    def _send(self, state: StreamState, unit_id: int, pdu: bytes, group: GroupState | None) -> None:
        table, device = state.table, state.device
        transaction = state.next_transaction() if table.framing == "tcp" else None
        frame = requests.frame_of(table.framing, unit_id, pdu, transaction or 0)
        compiled = None if group is None else group.group
        read = None if compiled is None else compiled.request
        state.sent = SentRequest(frame, unit_id, pdu[0], read, compiled, transaction)
        state.sent_until_s = self._clock.monotonic_s() + table.timeout_ms / 1000
        self.asked += 1
        self.streams.note(device, table.identifier, "down", frame, "asked" if group is not None else "writing", None)
        self._bus.publish(DataSent(device.project_id, device.id, table.identifier, frame, transient=True))

    def _missed(self, state: StreamState) -> None:
        """Ends a request whose time is over."""
        sent, write = state.sent, state.write
        state.sent = state.write = None
        if sent is None:
            return
        if write is not None:
            self.timed_out += 1
            if write.attempts < WRITE_ATTEMPTS:
                state.writes.appendleft(write)
            else:
                self._unwritten(state, write, "modbus_no_answer")
        elif sent.group is not None:
            self.timed_out += 1
            group = state.groups[sent.group.index]
            group.timed_out += 1
            group.missed += 1
            state.late = group.group.request
            group.why = reason("modbus_no_answer", unit=sent.unit_id, timeout_ms=state.table.timeout_ms)
            self.streams.note(state.device, state.table.identifier, "down", sent.frame, "no_answer", group.why)

    def _answered(self, state: StreamState, used: UsedFrame) -> None:
        write, state.write = state.write, None
        if write is not None and used.frame.kind == "exception" and used.why is not None:
            errors = [FieldError(write.attribute, used.why)]
            topic = f"data/{state.table.identifier}/set"
            self._logs.rejected(state.device, topic, PARTS_REFUSED, errors, write.pdu)
        if used.group is not None:
            group = state.groups[used.group.index]
            group.missed = 0
            group.due_s = min(group.due_s, self._clock.monotonic_s() + group.group.interval_ms / 1000)
        key = (state.device.id, state.table.identifier)
        if key in self.streams.polled:
            self._due.cancel(key)
            self._put(key, state)
            self._wake.set()


def _alike(first: ReadRequest, second: ReadRequest) -> bool:
    """Whether the answers to two requests cannot be told apart over RTU."""
    return first != second and (first.unit_id, first.function, first.data_bytes) == (
        second.unit_id, second.function, second.data_bytes,
    )  # fmt: skip
