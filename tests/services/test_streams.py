"""Custom data goes up and down unchanged, and formats only validate."""

from typing import Any

import pytest

from tests.services.conftest import NOW, Workshop
from thingstead.errors import DeviceOffline, InvalidInput, NotFound
from thingstead.model.device import Device, DeviceSession, Page
from thingstead.model.device_type import Functions, StreamDefinition
from thingstead.model.messages import DataReported, DataSent
from thingstead.model.streams import format_problem
from thingstead.services.ingest.streams import MAX_DATA_BYTES
from thingstead.services.shared.commits import settled
from thingstead.services.shared.payloads import encode_message
from thingstead.storage.sql.history.heads import DEVICE_WAITING_BYTES

READ_REGISTERS = bytes.fromhex("010300000002c40b")
FORMATS: list[tuple[Any, bytes, bool]] = [
    ("json", b'{"a": [1]}', True),
    ("json", b"{", False),
    ("json", b"[" * 50_000, False),
    ("json", b'{"a": "\xff"}', False),
    ("text", "温度".encode(), True),
    ("text", b"\xff", False),
    ("hex", b"\x00\xff", True),
    ("modbus_rtu", READ_REGISTERS, True),
    ("modbus_rtu", READ_REGISTERS[:-1] + b"\x00", False),
    ("modbus_rtu", b"\x01", False),
    ("modbus_tcp", bytes.fromhex("000100000006010300000002"), True),
    ("modbus_tcp", bytes.fromhex("000100000007010300000002"), False),
    ("modbus_tcp", b"", False),
]


async def test_custom_data_and_events_count_for_their_device_until_they_are_on_disk(workshop: Workshop) -> None:
    history, device, other = workshop.store.history, await workshop.add_device(), await workshop.add_device()
    link, commits = await workshop.ingest.link(device), []
    for _ in range(DEVICE_WAITING_BYTES // 200_000 + 1):
        assert not history.crowded(device.number)
        commits.append(workshop.streams.report(link, "port", b"x" * 200_000).commit)
    assert (history.crowded(device.number), history.crowded(other.number)) == (True, False)
    assert commits[-1] is not None
    await settled(commits[-1])
    assert not history.crowded(device.number)
    while not history.crowded(device.number):
        outcome = workshop.ingest.take_event(link, {"method": "m", "params": {"text": "x" * 100_000}})
    assert outcome.commit is not None
    await settled(outcome.commit)
    assert not history.crowded(device.number)


@pytest.mark.parametrize(("stream_format", "payload", "fits"), FORMATS)
async def test_a_payload_must_fit_the_format_of_its_stream(
    workshop: Workshop, stream_format: Any, payload: bytes, fits: bool
) -> None:
    assert (format_problem(stream_format, payload) is None) is fits
    functions = Functions(streams=(StreamDefinition(identifier="port", format=stream_format),))
    link = await workshop.ingest.link(await workshop.add_device(type_id=await workshop.add_type(functions)))
    if fits:
        assert workshop.streams.report(link, "port", payload).refused == ()
    else:
        with pytest.raises(InvalidInput):
            workshop.streams.report(link, "port", payload)
    assert workshop.streams.report(link, "undefined", payload).refused == ()


async def test_data_that_came_up_is_logged_counted_and_told_unchanged(workshop: Workshop) -> None:
    heard: list[DataReported] = []
    workshop.bus.subscribe(DataReported, heard.append)
    device = await workshop.add_device()
    outcome = workshop.streams.report(await workshop.ingest.link(device), "port", b"\x00\xff")
    assert outcome.commit is not None
    await settled(outcome.commit)
    assert heard == [DataReported(device.id, "port", b"\x00\xff", NOW)]
    entries, _ = await workshop.logs.list_page(device, "data", Page())
    assert [entry.body for entry in entries] == [
        {"identifier": "port", "direction": "up", "size_bytes": 2, "payload": "hex:00ff"}
    ]
    assert (await workshop.store.devices.get_view("p1", device.id)).active == {"data": NOW}


async def connect(workshop: Workshop, device: Device, protocol: str) -> None:
    session = DeviceSession(session_id="s", node="node1", protocol=protocol, connected_at=NOW)
    await workshop.presence.open(device, session)


async def test_data_goes_down_only_over_a_live_connection_of_the_wanted_kind(workshop: Workshop) -> None:
    heard: list[DataSent] = []
    workshop.bus.subscribe(DataSent, heard.append)
    device = await workshop.add_device()
    with pytest.raises(DeviceOffline):
        await workshop.streams.send("p1", device.id, "port", b"x")
    await connect(workshop, device, "mqtt")
    with pytest.raises(DeviceOffline):
        await workshop.streams.send("p1", device.id, "port", b"x", "tcp")
    await workshop.streams.send("p1", device.id, "port", b"\x00", "mqtt")
    assert heard == [DataSent("p1", device.id, "port", b"\x00")]


async def test_only_the_stream_that_is_bound_to_tcp_goes_down_a_tcp_connection(workshop: Workshop) -> None:
    functions = Functions(streams=(StreamDefinition(identifier="stream", tcp=True), StreamDefinition(identifier="b")))
    device = await workshop.add_device(type_id=await workshop.add_type(functions))
    await connect(workshop, device, "tcp")
    await workshop.streams.send("p1", device.id, "stream", b"x")
    with pytest.raises(InvalidInput):
        await workshop.streams.send("p1", device.id, "b", b"x")


@pytest.mark.parametrize(
    "arguments",
    [("bad name", b"x", None), ("port", b"x", "pigeon"), ("port", b"x" * (MAX_DATA_BYTES + 1), None)],
)
async def test_bad_data_down_is_refused(workshop: Workshop, arguments: tuple[str, bytes, str | None]) -> None:
    device = await workshop.add_device()
    await connect(workshop, device, "mqtt")
    with pytest.raises(InvalidInput):
        await workshop.streams.send("p1", device.id, *arguments)


async def test_another_projects_device_gets_no_data(workshop: Workshop) -> None:
    await workshop.add_project("p2")
    device = await workshop.add_device("p2")
    with pytest.raises(NotFound):
        await workshop.streams.send("p1", device.id, "port", b"x")


def test_each_kind_of_message_becomes_its_bytes() -> None:
    assert encode_message("json", {"a": [1, None]}) == b'{"a":[1,null]}'
    assert encode_message("hex", "00 ff") == b"\x00\xff"
    assert encode_message("text", "度") == encode_message("plaintext", "度") == "度".encode()


@pytest.mark.parametrize(
    ("kind", "message"), [("hex", "0g"), ("hex", 5), ("text", None), ("xml", "<a/>"), ("text", "\ud800")]
)
def test_a_message_that_is_not_of_its_kind_is_refused(kind: str, message: Any) -> None:
    with pytest.raises(InvalidInput):
        encode_message(kind, message)
