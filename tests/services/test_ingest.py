"""Reports and events: what is kept, what is refused, and what is told."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.conftest import NOW, Workshop
from tests.stores import needs_embedded_store
from thingstead.errors import FieldError, InvalidInput, Unavailable
from thingstead.model.device import Device, Page
from thingstead.model.device_type import AttributeDefinition, EventDefinition, Functions, Parameter
from thingstead.model.messages import BusMessage, DeviceChanged, DeviceTypeChanged, EventReported, ReportsCommitted
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.ingest.quick_reads import MAX_ATTRIBUTES_PER_REPORT
from thingstead.services.shared.commits import settled
from thingstead.services.shared.payloads import FUTURE_TOLERANCE_MS

THERMOMETER = Functions(
    attributes=(
        AttributeDefinition(identifier="temperature", data_options={"min": -40, "max": 85}),
        AttributeDefinition(identifier="on", attr_type="both", data_type="switch"),
        AttributeDefinition(identifier="target", attr_type="push"),
    ),
    events=(EventDefinition(identifier="boot", params=(Parameter(identifier="reason", data_type="text"),)),),
)


async def settle(outcome: Outcome) -> None:
    assert outcome.commit is not None
    await settled(outcome.commit)


async def current(workshop: Workshop, device: Device) -> dict[str, Any]:
    found = await workshop.store.history.current(device.number)
    return {identifier: (known.ts, known.value) for identifier, known in found.items()}


async def test_a_report_is_current_at_the_instant_of_its_receipt(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    outcome = workshop.ingest.report_attributes(link, b'{"temperature":25,"place":{"lat":39.9,"lng":116.4}}')
    assert outcome.refused == ()
    await settle(outcome)
    assert await current(workshop, device) == {
        "temperature": (NOW, 25),
        "place": (NOW, {"lat": 39.9, "lng": 116.4}),
    }


async def test_what_breaks_the_definition_is_refused_and_the_rest_is_kept(workshop: Workshop) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(THERMOMETER))
    link = await workshop.ingest.link(device)
    payload = b'{"temperature":400,"target":20,"on":"ON","extra":1,"bad name":1}'
    outcome = workshop.ingest.report_attributes(link, payload)
    await settle(outcome)
    assert [refusal.field for refusal in outcome.refused] == ["temperature", "target", "bad name"]
    assert await current(workshop, device) == {"on": (NOW, True), "extra": (NOW, 1)}


async def test_a_report_that_is_refused_whole_commits_nothing(workshop: Workshop) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(THERMOMETER))
    outcome = workshop.ingest.report_attributes(await workshop.ingest.link(device), b'{"temperature":"hot"}')
    assert outcome.commit is None
    assert [refusal.field for refusal in outcome.refused] == ["temperature"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"[1]",
        b"1",
        b'{"a":',
        b'{"a":1e999}',
        b'{"a":123456789012345678901234567890}',
        b"\xff\xfe",
        b'{"a":' + b"[" * 100_000,
        b"{" + b",".join(b'"a%d":1' % index for index in range(MAX_ATTRIBUTES_PER_REPORT + 1)) + b"}",
    ],
)
async def test_a_payload_that_is_no_report_is_invalid_input(workshop: Workshop, payload: bytes) -> None:
    link = await workshop.ingest.link(await workshop.add_device())
    with pytest.raises(InvalidInput):
        workshop.ingest.report_attributes(link, payload)


async def test_any_bytes_are_kept_or_refused_on_every_topic(workshop: Workshop) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(THERMOMETER))
    link = await workshop.ingest.link(device)
    json_bytes = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())

    @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.binary(max_size=60) | json_bytes)
    def check(payload: bytes) -> None:
        for take in (
            workshop.ingest.report_attributes,
            workshop.ingest.report_series,
            workshop.ingest.report_event,
        ):
            try:
                take(link, payload)
            except InvalidInput as exc:
                assert exc.message  # noqa: PT017 - either outcome is right

    check()


@pytest.mark.parametrize(
    "payload",
    [
        {"ts": 1000_000_000_000, "attributes": {"temperature": 20}},
        [{"ts": 1000_000_000_000, "attributes": {"temperature": 20}}],
        {"ts": 1000_000_000_000, "temperature": 20},
        {"ts": 1000_000_000, "temperature": 20},
    ],
)
async def test_every_shape_of_series_writes_history_at_the_device_time(workshop: Workshop, payload: Any) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    await settle(workshop.ingest.report_attributes(link, b'{"temperature":25}'))
    await settle(workshop.ingest.report_series(link, json.dumps(payload).encode()))
    points = await workshop.store.history.series(device.number, "temperature", 0, NOW, offset=0, limit=10)
    assert [(point.ts, point.value) for point in points] == [(NOW, 25), (1000_000_000_000, 20)]
    assert await current(workshop, device) == {"temperature": (NOW, 25)}


async def test_a_report_is_current_whatever_a_wrong_clock_left_behind(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    ahead = NOW + 8 * 3_600_000
    await settle(workshop.ingest.report_series(link, json.dumps({"ts": ahead, "temperature": 20}).encode()))
    assert await current(workshop, device) == {"temperature": (ahead, 20)}
    await settle(workshop.ingest.report_attributes(link, b'{"temperature":25}'))
    assert await current(workshop, device) == {"temperature": (NOW, 25)}
    count, commit = workshop.ingest.report_run(link, [b'{"temperature":26}'] * 3)
    assert commit is not None
    await settled(commit)
    points = await workshop.store.history.series(device.number, "temperature", 0, ahead, offset=0, limit=10)
    assert [(point.ts, point.value) for point in points] == [(ahead, 20), *[(NOW, 26)] * count, (NOW, 25)]


@pytest.mark.parametrize(
    "payload",
    [
        {"temperature": 1},
        {"ts": "now", "temperature": 1},
        {"ts": True, "temperature": 1},
        {"ts": -1, "temperature": 1},
        {"ts": -1e308, "temperature": 1},
        {"ts": NOW + FUTURE_TOLERANCE_MS + 1, "temperature": 1},
        [{"ts": NOW + FUTURE_TOLERANCE_MS + 1, "temperature": 1}, 5],
        "text",
    ],
)
async def test_a_series_without_a_sound_timestamp_is_refused_whole(workshop: Workshop, payload: Any) -> None:
    device = await workshop.add_device()
    with pytest.raises(InvalidInput):
        workshop.ingest.report_series(await workshop.ingest.link(device), json.dumps(payload).encode())
    assert await current(workshop, device) == {}


async def test_an_event_is_kept_and_does_not_become_an_attribute(workshop: Workshop) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(THERMOMETER))
    link = await workshop.ingest.link(device)
    await settle(workshop.ingest.report_event(link, b'{"method":"boot","params":{"reason":"power"},"id":7}'))
    events, total = await workshop.store.events.list_page(device.id, Page())
    assert [(event.method, event.params, event.ts) for event in events] == [("boot", {"reason": "power"}, NOW)]
    assert total == 1
    assert await current(workshop, device) == {}


@pytest.mark.parametrize("payload", [b"{}", b'{"method":1}', b'{"method":"a b"}', b'{"method":"x","params":[1]}'])
async def test_an_event_without_a_proper_method_or_params_is_refused(workshop: Workshop, payload: bytes) -> None:
    link = await workshop.ingest.link(await workshop.add_device())
    with pytest.raises(InvalidInput):
        workshop.ingest.report_event(link, payload)


async def test_a_defined_event_parameter_of_another_type_is_refused(workshop: Workshop) -> None:
    link = await workshop.ingest.link(await workshop.add_device(type_id=await workshop.add_type(THERMOMETER)))
    with pytest.raises(InvalidInput) as caught:
        workshop.ingest.report_event(link, b'{"method":"boot","params":{"reason":5}}')
    assert [error.field for error in caught.value.errors] == ["params.reason"]


async def test_a_parameter_of_an_event_that_cannot_be_kept_is_left_out_and_named(workshop: Workshop) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(THERMOMETER))
    link = await workshop.ingest.link(device)
    payload = b'{"method":"boot","params":{"reason":5,"wide":99999999999999999999,"left":1}}'
    outcome = workshop.ingest.report_event(link, payload)
    assert [error.field for error in outcome.refused] == ["params.reason", "params.wide"]
    assert outcome.commit is not None
    await settled(outcome.commit)
    [event], _ = await workshop.store.events.list_page(device.id, Page())
    assert event.params == {"left": 1}


async def test_reports_are_told_on_the_bus_once_each_and_before_the_acknowledgement(workshop: Workshop) -> None:
    order: list[Any] = []

    def hear(message: BusMessage) -> None:
        assert isinstance(message, ReportsCommitted)
        order.extend(report.attributes for report in message.reports)

    workshop.bus.subscribe(ReportsCommitted, hear)
    link = await workshop.ingest.link(await workshop.add_device())
    for value in (1, 2):
        outcome = workshop.ingest.report_attributes(link, b'{"x":%d}' % value)
        assert outcome.commit is not None
        outcome.commit.on_done(lambda error: order.append("acknowledged"))
    await settle(outcome)
    await settle(workshop.ingest.report_attributes(link, b'{"x":3}'))
    assert order == [{"x": 1}, {"x": 2}, "acknowledged", "acknowledged", {"x": 3}]


async def test_an_event_is_told_on_the_bus_after_its_commit(workshop: Workshop) -> None:
    heard: list[EventReported] = []
    workshop.bus.subscribe(EventReported, heard.append)
    device = await workshop.add_device()
    outcome = workshop.ingest.report_event(await workshop.ingest.link(device), b'{"method":"boot"}')
    assert heard == []
    await settle(outcome)
    assert [(news.device_id, news.method, news.params) for news in heard] == [(device.id, "boot", {})]


async def test_a_connection_follows_changes_of_its_type_and_of_its_device(workshop: Workshop) -> None:
    type_id = await workshop.add_type(Functions())
    device = await workshop.add_device(type_id=type_id)
    link = await workshop.ingest.link(device)
    assert workshop.ingest.report_attributes(link, b'{"temperature":400}').refused == ()

    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    await workshop.store.device_types.update("p1", type_id, {"functions": THERMOMETER})
    workshop.bus.publish(DeviceTypeChanged("p1", type_id))
    await workshop.ingest.links.refreshed()
    assert workshop.ingest.report_attributes(link, b'{"temperature":400}').refused != ()

    await workshop.store.devices.update("p1", device.id, {"type_id": None})
    workshop.bus.publish(DeviceChanged(device.id))
    await workshop.ingest.links.refreshed()
    assert workshop.ingest.report_attributes(link, b'{"temperature":400}').refused == ()
    assert link.device.type_id is None
    assert faults == []


async def test_what_is_wrong_in_a_series_is_named_and_the_rest_is_kept(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    series = [
        {"ts": NOW + 2, "attributes": {"t": 1, "big": 2**64, "none": None}},
        {"ts": NOW + 2 * FUTURE_TOLERANCE_MS, "attributes": {"t": 2}},
        5,
        {"ts": NOW + 1, "attributes": {f"n{number}": 1 for number in range(MAX_ATTRIBUTES_PER_REPORT + 1)}},
        {"ts": NOW, "t": 3, "deep": {"in": [-(2**63) - 1]}},
    ]
    outcome = workshop.ingest.report_series(link, json.dumps(series).encode())
    await settle(outcome)
    assert outcome.refused == (
        FieldError.of("[1].ts", "in_future"),
        FieldError.of("[2]", "must_be_object"),
        FieldError.of("[4].deep", "wide_integer"),
        FieldError.of("[3]", "too_many_attributes", maximum=1000),
        FieldError.of("[0].none", "null_value"),
        FieldError.of("[0].big", "wide_integer"),
    )
    points = await workshop.store.history.series(device.number, "t", 0, NOW * 2, offset=0, limit=10)
    assert [(point.ts, point.value) for point in points] == [(NOW + 2, 1), (NOW, 3)]
    assert (await current(workshop, device)).keys() == {"t"}


async def test_an_integer_of_more_than_64_bits_is_named_and_the_rest_is_kept(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    outcome = workshop.ingest.report_attributes(link, b'{"t":1,"big":18446744073709551616,"u":2}')
    await settle(outcome)
    assert outcome.refused == (FieldError.of("big", "wide_integer"),)
    assert await current(workshop, device) == {"t": (NOW, 1), "u": (NOW, 2)}
    with pytest.raises(InvalidInput) as refused:
        workshop.ingest.report_attributes(link, b'{"none":null,"big":18446744073709551616}')
    assert [error.field for error in refused.value.errors] == ["none", "big"]


async def test_reports_of_a_commit_that_fails_are_told_to_nobody(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    told: list[ReportsCommitted] = []
    workshop.bus.subscribe(ReportsCommitted, told.append)
    needs_embedded_store(workshop.store)
    writer = workshop.store._database._writer_connection
    writer.execute("PRAGMA query_only=ON")
    outcome = workshop.ingest.report_attributes(link, b'{"x":1}')
    with pytest.raises(Unavailable):
        await settle(outcome)
    writer.execute("PRAGMA query_only=OFF")
    assert told == []
    await settle(workshop.ingest.report_attributes(link, b'{"x":2}'))
    assert [report.attributes for message in told for report in message.reports] == [{"x": 2}]
