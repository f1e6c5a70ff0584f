"""Modbus behind a stream: answers become reports, groups are polled in turn, pushed attributes are written."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.services.conftest import Workshop
from thingstead.config.settings import ModbusSettings
from thingstead.modbus.frames import ReadRequest
from thingstead.modbus.requests import frame_of, read_pdu, write_register_pdu
from thingstead.model.device import Device, DeviceSession, Page
from thingstead.model.messages import AttributesPushed, DataSent, DeviceTypeChanged, PresenceChanged
from thingstead.model.modbus.tables import ModbusTables, Register, RegisterGroup, StreamTable
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.modbus.polling import BACK_OFF, WRITE_ATTEMPTS, ModbusPolls
from thingstead.services.modbus.state import WRITES_COUNT
from thingstead.services.shared.commits import settled

INTERVAL_MS = 10_000
TIMEOUT_MS = 1_000


def answer(value: int, unit_id: int = 1) -> bytes:
    return frame_of("rtu", unit_id, b"\x03\x02" + value.to_bytes(2, "big"))


def request(unit_id: int = 1) -> bytes:
    return frame_of("rtu", unit_id, read_pdu(ReadRequest(unit_id, 3, 0, 1)))


def tables(interval_ms: int = INTERVAL_MS, units: tuple[int, ...] = (1,), **members: Any) -> ModbusTables:
    groups = [
        RegisterGroup(
            unit_id=unit, function=3, address=0, count=1, interval_ms=interval_ms,
            registers=(Register(attribute=f"a{unit}", address=0, **members),),
        )
        for unit in units
    ]  # fmt: skip
    return ModbusTables(streams=(StreamTable(identifier="port", timeout_ms=TIMEOUT_MS, groups=tuple(groups)),))


class Plant:
    """A device with a table over a store, its polls, and what was sent to it."""

    def __init__(self, workshop: Workshop, settings: ModbusSettings) -> None:
        self.workshop = workshop
        self.clock = workshop.clock
        self.polls = ModbusPolls(workshop.store, workshop.bus, workshop.clock, workshop.logs, workshop.modbus, settings)
        self.sent: list[bytes] = []
        self._subscription = workshop.bus.subscribe(DataSent, lambda message: self.sent.append(message.payload))

    async def add(self, modbus: ModbusTables) -> Device:
        type_id = await self.workshop.add_type(modbus=modbus)
        return await self.workshop.add_device(type_id=type_id)

    async def connect(self, device: Device, protocol: str = "mqtt") -> DeviceContext:
        session = DeviceSession(session_id="s", node="node1", protocol=protocol, connected_at=0)
        await self.workshop.store.presence.open_session(device.number, session)
        self.workshop.bus.publish(PresenceChanged(device.id, True, "s", None, "", 0))
        await self.polls.sweep()
        return await self.workshop.ingest.link(device)

    async def later(self, ms: int) -> list[bytes]:
        """What was sent since the last call, and is sent within a time."""
        for _ in range(0, ms, 100):
            self.clock.advance(100)
            await self.polls.sweep()
        sent, self.sent[:] = list(self.sent), []
        return sent

    async def report(self, link: DeviceContext, payload: bytes) -> list[str]:
        """Codes of what was refused of a payload."""
        outcome = self.workshop.streams.report(link, "port", payload)
        assert outcome.commit is not None
        await settled(outcome.commit)
        await self.polls.sweep()
        return [error.reason.code for error in outcome.refused]

    async def values(self, device: Device) -> dict[str, Any]:
        found = await self.workshop.store.history.current(device.number)
        return {name: value.value for name, value in found.items()}

    async def rejected(self, device: Device) -> list[dict[str, Any]]:
        """The log of rejected messages, newest first."""
        await settled(self.workshop.logs.data(device, "other", "up", b""))  # commits end in their order
        found, _ = await self.workshop.logs.list_page(device, "rejected", page=Page())
        return [entry.body for entry in found]

    async def close(self) -> None:
        await self.polls.close()
        self._subscription.cancel()


Build = Callable[..., Plant]


@pytest.fixture
async def build(workshop: Workshop) -> AsyncIterator[Build]:
    made: list[Plant] = []

    def build(**settings: Any) -> Plant:
        made.append(Plant(workshop, ModbusSettings(**settings)))
        return made[-1]

    yield build
    for plant in made:
        await plant.close()


async def test_an_answer_becomes_a_report_and_is_in_the_data_log_too(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0))
    link = await plant.workshop.ingest.link(device)

    assert await plant.report(link, answer(7)) == []

    assert await plant.values(device) == {"a1": 7}
    found, _ = await plant.workshop.logs.list_page(device, "data", page=Page())
    assert [entry.body["direction"] for entry in found] == ["up"]
    assert [note.outcome for note in plant.workshop.modbus.notes(device.id)] == ["used"]


async def test_what_is_not_used_is_refused_with_its_reason_and_the_rest_is_kept(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0))
    link = await plant.workshop.ingest.link(device)

    assert await plant.report(link, b"\xff\xff" + answer(7) + answer(8, unit_id=2)) == [
        "modbus_no_group",
        "modbus_noise",
    ]

    assert await plant.values(device) == {"a1": 7}


async def test_a_frame_in_two_payloads_is_one_report_unless_its_rest_comes_too_late(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0))
    link = await plant.workshop.ingest.link(device)
    assert await plant.report(link, answer(7)[:3]) == []
    assert await plant.report(link, answer(7)[3:]) == []
    assert await plant.values(device) == {"a1": 7}

    await plant.report(link, answer(9)[:3])
    plant.clock.advance(TIMEOUT_MS + 1)
    assert await plant.report(link, answer(8)) == []
    assert await plant.values(device) == {"a1": 8}
    assert "modbus_incomplete" in [note.why.code for note in plant.workshop.modbus.notes(device.id) if note.why]


async def test_the_bytes_of_a_request_of_an_application_tell_to_what_the_answer_belongs(build: Build) -> None:
    plant = build()
    first = RegisterGroup(unit_id=1, function=3, address=0, count=1, registers=(Register(attribute="a", address=0),))
    second = RegisterGroup(unit_id=1, function=3, address=5, count=1, registers=(Register(attribute="b", address=5),))
    device = await plant.add(ModbusTables(streams=(StreamTable(identifier="port", groups=(first, second)),)))
    link = await plant.connect(device)

    await plant.workshop.streams.send("p1", device.id, "port", frame_of("rtu", 1, read_pdu(ReadRequest(1, 3, 5, 1))))

    assert await plant.report(link, answer(7)) == []
    assert await plant.values(device) == {"b": 7}
    assert await plant.report(link, answer(7)) == ["modbus_ambiguous"]


async def test_a_connected_device_is_polled_at_its_interval(build: Build) -> None:
    plant = build()
    device = await plant.add(tables())
    await plant.polls.start(run=False)
    assert await plant.later(20_000) == []

    link = await plant.connect(device)
    assert await plant.later(10_000) == [request()]
    await plant.report(link, answer(7))
    assert await plant.later(INTERVAL_MS) == [request()]
    await plant.report(link, answer(8))
    assert await plant.values(device) == {"a1": 8}

    plant.workshop.bus.publish(PresenceChanged(device.id, False, "s", None, "", 0))
    assert await plant.later(30_000) == []
    assert len(plant.polls.devices) == 0


async def test_one_request_is_under_way_and_the_next_one_goes_with_the_answer_or_the_end_of_its_time(
    build: Build,
) -> None:
    plant = build()
    device = await plant.add(tables(units=(1, 2, 3)))
    await plant.polls.start(run=False)
    link = await plant.connect(device)
    asked_at, under_way, ends = 0, b"", []
    for turn in range(600):  # a minute
        for frame in await plant.later(100):
            if under_way:
                ends.append(turn - asked_at)
            asked_at, under_way = turn, frame
        if under_way and under_way[0] != 2 and turn - asked_at == 3:
            await plant.report(link, answer(5, unit_id=under_way[0]))
            under_way = b""
    assert len(ends) >= 2  # unit 2 does not answer
    assert min(ends) >= TIMEOUT_MS // 100 - 1  # what goes with an answer is seen a turn later
    assert (await plant.values(device)) == {"a1": 5, "a3": 5}


async def test_a_unit_that_does_not_answer_is_asked_less_often(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=2_000))
    await plant.polls.start(run=False)
    link = await plant.connect(device)

    early = len(await plant.later(20_000))
    await plant.later(100_000)
    assert early > len(await plant.later(20_000)) >= 1
    assert len(await plant.later(2_000 * BACK_OFF)) == 1
    assert plant.workshop.modbus.notes(device.id)[0].outcome in ("no_answer", "asked")

    while not await plant.later(100):
        pass
    await plant.report(link, answer(7))
    assert len(await plant.later(2_100)) == 1


async def test_an_answer_that_is_late_is_not_taken_for_that_to_another_request(build: Build) -> None:
    plant = build()
    groups = [
        RegisterGroup(
            unit_id=1, function=3, address=address, count=1, interval_ms=INTERVAL_MS,
            registers=(Register(attribute=f"a{address}", address=address),),
        )
        for address in (0, 5)
    ]  # fmt: skip
    device = await plant.add(
        ModbusTables(streams=(StreamTable(identifier="port", timeout_ms=TIMEOUT_MS, groups=tuple(groups)),))
    )
    await plant.polls.start(run=False)
    link = await plant.connect(device)
    first: list[bytes] = []
    while not first:
        first = await plant.later(100)
    asked = 0 if first[0] == request() else 5
    assert await plant.later(TIMEOUT_MS + 900) == []  # the other one may be due, and waits
    await plant.report(link, answer(7))
    assert (await plant.values(device)).get(f"a{5 - asked}") is None


async def test_a_changed_table_is_in_effect_for_connected_devices(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0))
    await plant.polls.start(run=False)
    await plant.connect(device)
    assert await plant.later(30_000) == []

    assert device.type_id is not None
    for changed, sends in ((tables(units=(9,)), True), (ModbusTables(), False)):
        await plant.workshop.store.device_types.update("p1", device.type_id, {"modbus": changed})
        plant.workshop.bus.publish(DeviceTypeChanged("p1", device.type_id))
        await plant.polls.sweep()
        assert (request(9) in await plant.later(12_000)) is sends


async def test_a_pushed_attribute_is_written_before_the_next_poll_and_confirmed_by_its_echo(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(writable=True))
    await plant.polls.start(run=False)
    link = await plant.connect(device)
    written = frame_of("rtu", 1, write_register_pdu(0, b"\x00\x05"))

    plant.workshop.bus.publish(AttributesPushed("p1", device.id, {"a1": 5, "other": 1}))
    assert await plant.later(100) == [written]
    assert await plant.report(link, written) == []

    assert set(await plant.later(12_000)) == {request()}
    outcomes = [note.outcome for note in reversed(plant.workshop.modbus.notes(device.id))]
    assert outcomes[:2] == ["writing", "confirmed"]


async def test_a_write_without_an_answer_is_tried_again_and_then_refused(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0, writable=True))
    await plant.polls.start(run=False)
    await plant.connect(device)

    plant.workshop.bus.publish(AttributesPushed("p1", device.id, {"a1": 5}))
    assert len(await plant.later(TIMEOUT_MS * (WRITE_ATTEMPTS + 3))) == WRITE_ATTEMPTS

    [entry] = await plant.rejected(device)
    assert (entry["topic"], entry["errors"][0]["code"]) == ("data/port/set", "modbus_no_answer")


async def test_a_value_that_does_not_fit_and_a_refused_write_are_in_the_log(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0, writable=True))
    await plant.polls.start(run=False)
    link = await plant.connect(device)

    plant.workshop.bus.publish(AttributesPushed("p1", device.id, {"a1": 70_000}))
    assert await plant.later(100) == []
    plant.workshop.bus.publish(AttributesPushed("p1", device.id, {"a1": 7}))
    assert len(await plant.later(100)) == 1
    assert await plant.report(link, frame_of("rtu", 1, b"\x86\x03")) == ["modbus_exception"]

    codes = {entry["errors"][0]["code"] for entry in await plant.rejected(device)}
    assert codes == {"modbus_value_unwritable", "modbus_exception"}
    assert await plant.later(5_000) == []


async def test_writes_that_wait_are_bounded(build: Build) -> None:
    plant = build()
    device = await plant.add(tables(interval_ms=0, writable=True))
    await plant.polls.start(run=False)
    await plant.connect(device)
    for value in range(WRITES_COUNT + 10):
        plant.workshop.bus.publish(AttributesPushed("p1", device.id, {"a1": value}))
    [state] = plant.workshop.modbus.polled.values()
    assert len(state.writes) == WRITES_COUNT


async def test_polls_of_a_project_are_bounded_and_so_are_its_devices(build: Build) -> None:
    plant = build(project_max_polled_devices=2, project_polls_per_s=1)
    await plant.polls.start(run=False)
    type_id = await plant.workshop.add_type(modbus=tables(interval_ms=500))
    plant.workshop.bus.publish(DeviceTypeChanged("p1", type_id))
    for _ in range(3):
        await plant.connect(await plant.workshop.add_device(type_id=type_id))
    assert (len(plant.polls.devices), plant.polls.devices.over) == (2, 1)
    assert 8 <= len(await plant.later(10_000)) <= 11
    assert plant.polls.left_out > 0


async def test_over_raw_tcp_only_the_bound_stream_is_polled_and_nothing_behind_a_gateway(build: Build) -> None:
    plant = build()
    await plant.polls.start(run=False)
    for protocol in ("tcp", "gateway"):
        device = await plant.add(tables())
        assert device.type_id is not None
        plant.workshop.bus.publish(DeviceTypeChanged("p1", device.type_id))
        await plant.connect(device, protocol)
        assert await plant.later(12_000) == []
