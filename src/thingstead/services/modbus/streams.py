"""Reads payloads with the tables of their device types, and keeps their outcome."""

from collections import deque
from collections.abc import Callable
from typing import Literal

from thingstead.clock import Clock
from thingstead.modbus.frames import read_request_of
from thingstead.modbus.scan import scan
from thingstead.model.device import Device
from thingstead.model.modbus.compiled import CompiledStream
from thingstead.model.modbus.reading import PayloadReading, SentRequest, UsedFrame, read_payload
from thingstead.refusals import Reason, reason
from thingstead.services.modbus.state import ModbusNote, ModbusOutcome, StreamState
from thingstead.services.shared.lru import Lru

STREAMS_KEPT = 10_000  # streams in memory that are not polled; the least recently used is forgotten
DEVICES_NOTED = 5_000  # devices whose last frames are in memory
NOTES_KEPT = 50  # frames of a device
NOTED_BYTES = 256  # of a frame

_OUTCOMES: dict[str, ModbusOutcome] = {"request": "request", "confirmed": "confirmed", "exception": "exception"}


class ModbusStreams:
    """The streams of devices whose types have tables.

    Attributes:
        polled: streams of devices that the server sends requests to, by device id and identifier.
        answered: called when the request that was sent last is answered.
        frames: number of frames from devices, by outcome.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: Lru[tuple[str, str], StreamState] = Lru(STREAMS_KEPT)
        self._notes: Lru[str, deque[ModbusNote]] = Lru(DEVICES_NOTED)
        self.polled: dict[tuple[str, str], StreamState] = {}
        self.answered: Callable[[StreamState, UsedFrame], None] = lambda state, used: None
        self.frames: dict[ModbusOutcome, int] = {}

    def read(self, device: Device, table: CompiledStream, payload: bytes) -> PayloadReading:
        """Reads a payload of a device."""
        state = self.state_of(device, table)
        now_s = self._clock.monotonic_s()
        if state.rest and now_s > state.rest_until_s:
            self.note(device, table.identifier, "up", state.rest, "unused", reason("modbus_incomplete"))
            state.rest = b""
        if state.sent is not None and now_s > state.sent_until_s and state.sent.group is None and state.write is None:
            state.sent = None  # of someone else; those of the server end with their deadline
        own = state.sent
        reading = read_payload(table, state.rest + payload, own)
        state.rest = reading.rest
        state.rest_until_s = now_s + table.timeout_ms / 1000
        for used in reading.frames:
            self._took(state, used)
        for _, raw in reading.noise:
            self.note(device, table.identifier, "up", raw, "unused", reason("modbus_noise", hex=""))
        answer = next((used for used in reading.frames if used.answers), None)
        if answer is not None and own is not None and state.sent is own:
            state.sent = reading.sent
            self.answered(state, answer)
        elif own is None or (own.group is None and state.write is None):
            state.sent, state.sent_until_s = reading.sent, now_s + table.timeout_ms / 1000
        return reading

    def sent(self, device: Device, table: CompiledStream, payload: bytes) -> None:
        """Notes what someone else sends to a device: its answer belongs to it."""
        state = self.state_of(device, table)
        if state.sent is not None and (state.sent.group is not None or state.write is not None):
            return
        for frame in scan(table.framing, payload).frames:
            asked = read_request_of(frame)
            if asked is not None:
                state.sent = SentRequest(frame.raw, asked.unit_id, asked.function, asked, None, frame.transaction)
                state.sent_until_s = self._clock.monotonic_s() + table.timeout_ms / 1000

    def state_of(self, device: Device, table: CompiledStream) -> StreamState:
        """The stream of a device; a new one if its table changed."""
        key = (device.id, table.identifier)
        state = self.polled.get(key) or self._recent.use(key)
        if state is None or state.table is not table:
            state = StreamState(device, table)
            self._recent.put(key, state)
        return state

    def known(self, device: Device, table: CompiledStream) -> StreamState | None:
        """The stream of a device, if it is in memory with this table."""
        key = (device.id, table.identifier)
        state = self.polled.get(key) or self._recent.get(key)
        return state if state is not None and state.table is table else None

    def note(
        self,
        device: Device,
        identifier: str,
        direction: Literal["up", "down"],
        raw: bytes,
        outcome: ModbusOutcome,
        why: Reason | None,
    ) -> None:
        """Keeps the outcome of a frame."""
        notes = self._notes.use(device.id)
        if notes is None:
            notes = deque(maxlen=NOTES_KEPT)
            self._notes.put(device.id, notes)
        notes.append(ModbusNote(self._clock.now_ms(), identifier, direction, raw[:NOTED_BYTES], outcome, why))
        self.frames[outcome] = self.frames.get(outcome, 0) + 1

    def notes(self, device_id: str) -> list[ModbusNote]:
        """The last frames of a device, newest first."""
        return list(reversed(self._notes.get(device_id, ())))

    def _took(self, state: StreamState, used: UsedFrame) -> None:
        frame = used.frame
        why = used.why or (used.refused[0].reason if used.refused else None)
        outcome = _OUTCOMES.get(frame.kind) or ("unused" if used.why is not None else "used")
        self.note(state.device, state.table.identifier, "up", frame.raw, outcome, why)
        if used.group is None or used.group.index >= len(state.groups):
            return
        group = state.groups[used.group.index]
        group.why = why
        if frame.kind == "exception":
            group.exceptions += 1
        else:
            group.answered += 1
            group.last_answer_at = self._clock.now_ms()
