"""Custom data streams: raw bytes in both directions (wire reference §3.2, §6, §9.5)."""

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import DeviceOffline, InvalidInput
from thingstead.model.device import Device
from thingstead.model.messages import DataReported, DataSent
from thingstead.model.modbus.compiled import CompiledStream
from thingstead.model.streams import format_problem
from thingstead.model.values.checking import valid_identifier
from thingstead.services.audit.audit import note_control
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import IngestService, Outcome
from thingstead.services.modbus.streams import ModbusStreams
from thingstead.services.shared.commits import both, settled
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.storage.base import Commit, Store

MAX_DATA_BYTES = 256 * 1024  # of one message, up or down (wire reference §15.29)
PUSH_MODES = ("mqtt", "tcp")
NO_VALUES = Outcome(None, ())


class StreamService:
    """Receives and sends custom data."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        ingest: IngestService,
        logs: DeviceLogService,
        modbus: ModbusStreams | None = None,
    ) -> None:
        self._modbus = modbus or ModbusStreams(clock)
        self._store = store
        self._bus = bus
        self._clock = clock
        self._ingest = ingest
        self._logs = logs
        self.messages_accepted = 0

    def report(self, link: DeviceContext, identifier: str, payload: bytes) -> Outcome:
        """Handles ``data/<identifier>``: adds it to the device's data log, and publishes it after the commit. If the
        device type has a table for the stream, what it reads in the payload is a report, and the other parts of the
        payload are refused.

        Raises:
            InvalidInput: the identifier is invalid, or the payload does not match the format of a defined stream.
        """
        if not valid_identifier(identifier):
            raise InvalidInput.field("identifier", "bad_identifier")
        data = bytes(payload)
        table = None if link.definition.modbus is None else link.definition.modbus.streams.get(identifier)
        if table is not None:
            values = self._registers(link, table, data)
        else:
            values = NO_VALUES
            stream = link.definition.compiled.streams.get(identifier)
            if stream is not None and (problem := format_problem(stream.format, data)):
                raise InvalidInput.field(identifier, problem)
        now = self._clock.now_ms()
        self._store.history.touch(link.device.number, "data", now, len(data))
        commit = self._logs.data(link.device, identifier, "up", data)
        if link.triggers is not None:
            self._ingest.triggers.data(link.device, link.triggers, commit, identifier, data)
        if link.forwards is not None:
            self._ingest.forwards.data(link.forwards, link.device.project_id, commit, identifier, data)
        self.messages_accepted += 1
        if self._bus.listens(DataReported):
            news = DataReported(link.device.id, identifier, data, now)
            commit.on_done(lambda error: None if error else self._bus.publish(news))
        return Outcome(both(values.commit, commit), values.refused)

    def _registers(self, link: DeviceContext, table: CompiledStream, data: bytes) -> Outcome:
        """Reports what a table reads in a payload. Frames with the same attributes are reports of their own."""
        reading = self._modbus.read(link.device, table, data)
        refused = reading.refused()
        commit: Commit | None = None
        for attributes in reading.reports():
            try:
                outcome = self._ingest.report_values(link, attributes)
            except InvalidInput as exc:
                refused += exc.errors
                continue
            refused += outcome.refused
            commit = both(commit, outcome.commit)
        return Outcome(commit, tuple(refused))

    async def send(
        self, project_id: str, device_id: str, identifier: str, payload: bytes, push_mode: str | None = None
    ) -> None:
        """Sends bytes over the live connection of a device: to ``data/<identifier>/set``, or the bytes alone over TCP.

        Args:
            push_mode: ``mqtt`` or ``tcp``; None: whichever connection exists.

        Raises:
            NotFound, InvalidInput: an argument is unknown or invalid.
            DeviceOffline: there is no live connection, or not one of this kind.
        """
        device = await self.target(project_id, device_id, identifier, payload, push_mode)
        await settled(self.append(device, identifier, payload))
        self.appended(device, identifier, payload)

    async def target(
        self, project_id: str, device_id: str, identifier: str, payload: bytes, push_mode: str | None = None
    ) -> Device:
        """The device to which :meth:`send` would send now. Raises what that raises."""
        if not valid_identifier(identifier):
            raise InvalidInput.field("identifier", "bad_identifier")
        if push_mode is not None and push_mode not in PUSH_MODES:
            raise InvalidInput.field("push_mode", "push_mode_unknown")
        if len(payload) > MAX_DATA_BYTES:
            raise InvalidInput.field("msg", "message_too_large", maximum=MAX_DATA_BYTES)
        device = await self._store.devices.get(project_id, device_id)
        session = await self._store.presence.find_session(device.number)
        if session is None or (push_mode is not None and session.protocol != push_mode):
            if self._logs.trace.wants(device):
                self._logs.trace.no_session(project_id, device.id, f"data/{identifier}/set", payload)
            if session is None:
                raise DeviceOffline("device_offline")
            raise DeviceOffline("device_not_on", push_mode=push_mode or "")
        if session.protocol == "gateway":
            raise InvalidInput.field("identifier", "no_data_behind_gateway")
        if session.protocol == "tcp":
            compiled = await self._ingest.links.compiled(device)
            if compiled.tcp_stream != identifier:
                raise InvalidInput.field("identifier", "not_tcp_stream")
        return device

    def append(self, device: Device, identifier: str, payload: bytes) -> Commit:
        """Logs in the open commit what is sent to a device after it, by :meth:`appended`."""
        commit = self._logs.data(device, identifier, "down", payload)
        note_control(self._store, device, "data", {identifier: f"{len(payload)} bytes"})
        return commit

    def appended(self, device: Device, identifier: str, payload: bytes) -> None:
        """Sends what was logged, over the live connection of the device."""
        link = self._ingest.links.cached(device.id)
        modbus = None if link is None else link.definition.modbus
        if modbus is not None and identifier in modbus.streams:
            self._modbus.sent(device, modbus.streams[identifier], payload)
        self._bus.publish(DataSent(device.project_id, device.id, identifier, payload))
