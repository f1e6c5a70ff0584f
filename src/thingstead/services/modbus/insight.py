"""The frames of devices with their outcome, and test runs of tables."""

from collections.abc import Mapping
from typing import Any

from thingstead.errors import FieldError, InvalidInput
from thingstead.modbus.frames import EXCEPTION, MBAP_BYTES, read_request_of
from thingstead.modbus.scan import SCANNED_BYTES, scan
from thingstead.model.device import Device
from thingstead.model.device_type import Functions
from thingstead.model.limits import Problems
from thingstead.model.modbus.compiled import CompiledStream, compiled_modbus
from thingstead.model.modbus.reading import SentRequest, read_payload
from thingstead.model.modbus.table_checks import check_tables
from thingstead.model.modbus.tables import ModbusTables, StreamTable
from thingstead.refusals import Reason, reason
from thingstead.services.modbus.state import GroupState, StreamState
from thingstead.services.modbus.streams import ModbusStreams
from thingstead.storage.base import Store
from thingstead.wire.rules.modbus import (
    DeviceModbus,
    ModbusTest,
    PolledGroup,
    PolledStream,
    TestedFrame,
    TestedPart,
    TracedFrame,
)


class ModbusInsight:
    """Reads what is in memory, and tries tables on bytes."""

    def __init__(self, store: Store, streams: ModbusStreams) -> None:
        self._store = store
        self._streams = streams

    async def device(self, project_id: str, device_id: str) -> DeviceModbus:
        """The streams of a device with a table, and its last frames. Raises NotFound."""
        device = await self._store.devices.get(project_id, device_id)
        tables = ModbusTables()
        if device.type_id is not None:
            tables = (await self._store.device_types.get(project_id, device.type_id)).modbus
        compiled = compiled_modbus(tables)
        streams = [] if compiled is None else [self._stream(device, table) for table in compiled.streams.values()]
        trace = [
            TracedFrame(
                ts=note.ts, identifier=note.identifier, direction=note.direction, hex=note.raw.hex(" "),
                outcome=note.outcome, **_words(note.why),
            )
            for note in self._streams.notes(device.id)
        ]  # fmt: skip
        return DeviceModbus(streams=streams, trace=trace)

    async def test(
        self, project_id: str, tested: StreamTable | str, identifier: str | None, data: str, request: str | None
    ) -> ModbusTest:
        """What bytes come to with a table, new or of a device type (its id).

        Raises:
            NotFound, InvalidInput: an argument is unknown or invalid.
        """
        table = await self._table(project_id, tested, identifier)
        payload = _bytes("hex", data)
        sent = None if request is None else _sent(table, _bytes("request", request))
        reading = read_payload(table, payload, sent)
        frames = []
        attributes: dict[str, Any] = {}
        for used in reading.frames:
            frame = used.frame
            attributes |= used.attributes
            frames.append(
                TestedFrame(
                    offset=frame.offset, hex=frame.raw.hex(" "), unit_id=frame.unit_id,
                    function=frame.pdu[0] & ~EXCEPTION, kind=frame.kind,
                    group=-1 if used.group is None else used.group.index, attributes=used.attributes,
                    refused=[_part(error) for error in used.refused], **_words(used.why),
                )
            )  # fmt: skip
        unused = [
            TestedPart(field=str(offset), hex=raw.hex(" "), **_words(reason("modbus_noise", hex=raw[:16].hex(" "))))
            for offset, raw in reading.noise
        ]
        return ModbusTest(attributes=attributes, frames=frames, unused=unused, rest=reading.rest.hex(" "))

    async def _table(self, project_id: str, tested: StreamTable | str, identifier: str | None) -> CompiledStream:
        if isinstance(tested, StreamTable):
            problems = Problems()
            check_tables(ModbusTables(streams=(tested,)), Functions(), problems)
            problems.refuse()
            return CompiledStream(tested)
        tables = (await self._store.device_types.get(project_id, tested)).modbus
        for table in tables.streams:
            if identifier is None or table.identifier == identifier:
                return CompiledStream(table)
        raise InvalidInput.field("identifier", "no_modbus_table")

    def _stream(self, device: Device, table: CompiledStream) -> PolledStream:
        state = self._streams.known(device, table)
        polling = state is not None and (device.id, table.identifier) in self._streams.polled
        groups = (StreamState(device, table) if state is None else state).groups
        return PolledStream(
            identifier=table.identifier,
            polling=polling,
            waiting_writes=0 if state is None else len(state.writes) + (state.write is not None),
            groups=[_group(each) for each in groups],
        )


def _group(state: GroupState) -> PolledGroup:
    group = state.group
    return PolledGroup(
        index=group.index, name=group.name, unit_id=group.request.unit_id, function=group.request.function,
        address=group.request.address, count=group.request.quantity, interval_ms=group.interval_ms,
        asked=state.asked, answered=state.answered, timed_out=state.timed_out, exceptions=state.exceptions,
        last_ask_at=state.last_ask_at, last_answer_at=state.last_answer_at, **_words(state.why),
    )  # fmt: skip


def _words(why: Reason | None) -> Mapping[str, Any]:
    return {"reason": "", "code": "", "args": {}} if why is None else {
        "reason": why.message, "code": why.code, "args": dict(why.args),
    }  # fmt: skip


def _part(error: FieldError) -> TestedPart:
    return TestedPart(field=error.field, hex="", **_words(error.reason))


def _bytes(field: str, text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise InvalidInput.field(field, "hex_expected") from None
    if not 0 < len(data) <= SCANNED_BYTES:
        raise InvalidInput.field(field, "bytes_count", minimum=1, maximum=SCANNED_BYTES)
    return data


def _sent(table: CompiledStream, data: bytes) -> SentRequest:
    frames = scan(table.framing, data).frames
    if len(frames) != 1 or frames[0].raw != data or frames[0].kind not in ("request", "confirmed"):
        raise InvalidInput.field("request", "modbus_no_request")
    frame = frames[0]
    function = data[MBAP_BYTES] if table.framing == "tcp" else data[1]
    return SentRequest(data, frame.unit_id, function, read_request_of(frame), None, frame.transaction)
