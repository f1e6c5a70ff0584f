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
from thingstead.errors import FieldError, NotFound, ThingsteadError
from thingstead.modbus import requests
from thingstead.modbus.registers import Unwritable
from thingstead.model.device import Device, DeviceFilter
from thingstead.model.messages import (
    AttributesPushed,
    DataSent,
    DeviceChanged,
    DeviceTypeChanged,
    PresenceChanged,
)
from thingstead.model.modbus.compiled import CompiledModbus, compiled_modbus, refused_write
from thingstead.model.modbus.reading import SentRequest, UsedFrame
from thingstead.refusals import reason
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

Key = tuple[str, str]  # device id, identifier of the stream


class ModbusPolls:
    """Sends requests to connected devices. Not active until :meth:`start`.

    Attributes:
        asked: requests that were sent.
        timed_out: those without an answer in time.
        left_out: polls that were put off, because the project had too many in that second.
        over: devices that are not polled, because the project has too many.
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
        self._settings = settings
        self._pace = Pace(clock, max(1, settings.project_polls_per_s))
        self._types: set[str] = set()  # whose tables make the server send something
        self._keys: dict[str, list[Key]] = {}  # of the streams of a device
        self._per_project: dict[str, int] = {}  # devices
        self._due: DueQueue[Key, float] = DueQueue()  # by monotonic seconds
        self._pending: dict[str, None] = {}  # devices that are to be looked up, in order
        self._changed: dict[str, str] = {}  # types: their project, by id
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.asked = self.timed_out = self.left_out = self.over = 0
        self._subscriptions = [
            bus.subscribe(PresenceChanged, self._presence),
            bus.subscribe(DeviceChanged, lambda message: self._look_up(message.device_id)),
            bus.subscribe(DeviceTypeChanged, self._type_changed),
            bus.subscribe(AttributesPushed, self._pushed),
        ]

    @property
    def devices(self) -> int:
        """Connected devices that the server sends requests to."""
        return len(self._keys)

    async def start(self, *, run: bool = True) -> None:
        """Reads which types have tables. ``run``: also starts the task that calls :meth:`sweep`."""
        for type_id, tables in await self._store.device_types.with_modbus():
            compiled = compiled_modbus(tables)
            if compiled is not None and compiled.sends:
                self._types.add(type_id)
        if run:
            self._task = asyncio.create_task(self._run(), name="modbus")

    async def close(self) -> None:
        """Stops the task."""
        for subscription in self._subscriptions:
            subscription.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    # What there is to poll

    def _presence(self, message: PresenceChanged) -> None:
        if not self._types:
            return
        self._drop(message.device_id)  # of the connection before, if another takes over
        if message.online:
            self._look_up(message.device_id)

    def _look_up(self, device_id: str) -> None:
        if self._types or device_id in self._keys:
            self._pending[device_id] = None
            self._wake.set()

    def _type_changed(self, message: DeviceTypeChanged) -> None:
        self._changed[message.type_id] = message.project_id
        self._wake.set()

    async def _reload_type(self, type_id: str, project_id: str) -> None:
        """Looks up the devices of a type again, if its tables send something, or did."""
        try:
            compiled = compiled_modbus((await self._store.device_types.get(project_id, type_id)).modbus)
        except NotFound:
            compiled = None
        sends = compiled is not None and compiled.sends
        before = type_id in self._types
        if not sends:
            self._types.discard(type_id)
            if not before:
                return
        else:
            self._types.add(type_id)
        wanted = DeviceFilter(type_id=type_id, online=True)
        limit = self._settings.project_max_polled_devices
        for device_id in await self._store.jobs.list_ids(project_id, wanted, limit):
            self._pending[device_id] = None
        for device_id, keys in self._keys.items():
            if self.streams.polled[keys[0]].device.type_id == type_id:
                self._pending[device_id] = None

    async def _begin(self, device_id: str) -> None:
        """Begins to poll a device anew, if it is connected and its type has tables."""
        device = await self._store.devices.find(device_id)
        compiled = None if device is None else await self._tables(device)
        session = None if device is None or compiled is None else await self._store.presence.find_session(device.number)
        if device is None or compiled is None or session is None or session.protocol == "gateway":
            self._drop(device_id)
            return
        kept = self._keys.get(device_id, [])
        tcp = session.protocol == "tcp"
        bound = await self._bound_stream(device) if tcp else None
        wanted = {
            name: table for name, table in compiled.streams.items()
            if (table.polled or table.writes) and (not tcp or name == bound)
        }  # fmt: skip
        if [(key[1], self.streams.polled[key].table) for key in kept] == list(wanted.items()):
            for key in kept:
                self.streams.polled[key].device = device
            return  # something else of the device changed
        self._drop(device_id)
        if not wanted:
            return
        count = self._per_project.get(device.project_id, 0)
        if count >= self._settings.project_max_polled_devices:
            self.over += 1
            return
        self._per_project[device.project_id] = count + 1
        self._keys[device_id] = [(device_id, name) for name in wanted]
        for name, table in wanted.items():
            self._schedule((device_id, name), StreamState(device, table))

    async def _tables(self, device: Device) -> CompiledModbus | None:
        if device.type_id is None or device.type_id not in self._types:
            return None
        try:
            return compiled_modbus((await self._store.device_types.get(device.project_id, device.type_id)).modbus)
        except NotFound:
            return None

    async def _bound_stream(self, device: Device) -> str | None:
        found = await self._store.device_types.get(device.project_id, device.type_id or "")
        return next((stream.identifier for stream in found.functions.streams if stream.tcp), None)

    def _schedule(self, key: Key, state: StreamState) -> None:
        now_s = self._clock.monotonic_s()
        least, most = FIRST_POLL_S
        for group in state.groups:
            interval_s = group.group.interval_ms / 1000
            spread_s = max(least, min(most, interval_s))
            group.due_s = now_s + random.uniform(least, spread_s)  # noqa: S311 - spreads the load
        self.streams.polled[key] = state
        due = self._next_due(state)
        if due is not None:
            self._due.put(key, due)

    def _drop(self, device_id: str) -> None:
        keys = self._keys.pop(device_id, None)
        if keys is None:
            return
        for key in keys:
            state = self.streams.polled.pop(key)
            self._due.cancel(key)
        project_id = state.device.project_id
        self._per_project[project_id] -= 1
        if not self._per_project[project_id]:
            del self._per_project[project_id]

    # Writes

    def _pushed(self, message: AttributesPushed) -> None:
        """Lets the registers of pushed attributes be written."""
        for key in self._keys.get(message.device_id, ()):
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
        """Looks up devices and types that changed, and gives every stream that is due its turn."""
        while self._changed:
            type_id = next(iter(self._changed))
            await self._reload_type(type_id, self._changed[type_id])
            self._changed.pop(type_id, None)
        while self._pending:
            device_id = next(iter(self._pending))
            del self._pending[device_id]
            await self._begin(device_id)
        turns = 0
        while (key := self._due.take(self._clock.monotonic_s())) is not None:
            self._turn(key)
            turns += 1
            if turns % TURNS_AT_ONCE == 0:
                await asyncio.sleep(0)

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
        if state.writes:
            self._write(state, state.writes.popleft())
        else:
            self._poll(state, now_s)
        due = self._next_due(state)
        if due is not None:
            self._due.put(key, due)

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
            due = self._next_due(state)
            if due is not None:
                self._due.cancel(key)
                self._due.put(key, due)
                self._wake.set()
