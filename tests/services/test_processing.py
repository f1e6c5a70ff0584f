"""Reports are processed on every way into the store, and nothing else is."""

from typing import Any

import msgspec
import pytest

from tests.services.conftest import NOW, Workshop
from thingstead.errors import InvalidInput
from thingstead.model.device import Device
from thingstead.model.device_type import Functions
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.shared.commits import settled

DEFINITION = {
    "attributes": [
        {"identifier": "t", "data_type": "number", "data_options": {"max": 100}, "processing": {"scale": 0.1}},
        {"identifier": "power", "processing": {"formula": "u / i"}},
    ]
}


@pytest.fixture
async def device(workshop: Workshop) -> Device:
    type_id = await workshop.add_type(msgspec.convert(DEFINITION, Functions))
    return await workshop.add_device(type_id=type_id)


@pytest.fixture
async def link(workshop: Workshop, device: Device) -> DeviceContext:
    return await workshop.ingest.link(device)


async def kept(outcome: Outcome) -> list[tuple[str, str]]:
    """What was refused, by field, once the rest is on disk."""
    if outcome.commit is not None:
        await settled(outcome.commit)
    return [(error.field, error.reason.code) for error in outcome.refused]


async def values(workshop: Workshop, device: Device) -> dict[str, Any]:
    return {name: each.value for name, each in (await workshop.store.history.current(device.number)).items()}


async def test_a_report_is_processed_before_its_types_are_checked(
    workshop: Workshop, device: Device, link: DeviceContext
) -> None:
    assert await kept(workshop.ingest.report_attributes(link, b'{"t": 205}')) == []
    assert await values(workshop, device) == {"t": 20.5}
    assert await kept(workshop.ingest.report_attributes(link, b'{"t": 2150}')) == [("t", "above_maximum")]


async def test_reports_that_arrive_together_are_processed_until_one_is_refused(
    workshop: Workshop, device: Device, link: DeviceContext
) -> None:
    run = [b'{"t": 205}', b'{"t": 215, "u": 10, "i": 4}', b'{"u": 1, "i": 0}', b'{"t": 1}']
    count, commit = workshop.ingest.report_run(link, run)
    assert (count, await kept(Outcome(commit, ()))) == (2, [])
    assert await values(workshop, device) == {"t": 21.5, "u": 10, "i": 4, "power": 2.5}


async def test_an_attribute_is_computed_with_the_current_values_of_others(
    workshop: Workshop, device: Device, link: DeviceContext
) -> None:
    assert await kept(workshop.ingest.report_attributes(link, b'{"u": 230}')) == []
    assert await kept(workshop.ingest.report_attributes(link, b'{"i": 2}')) == []
    assert await values(workshop, device) == {"u": 230, "i": 2, "power": 115.0}


async def test_an_attribute_without_a_result_is_refused_by_name(
    workshop: Workshop, device: Device, link: DeviceContext
) -> None:
    assert await kept(workshop.ingest.report_attributes(link, b'{"u": 230, "i": 0}')) == [
        ("power", "formula_no_result")
    ]
    assert await values(workshop, device) == {"u": 230, "i": 0}


async def test_late_values_are_computed_from_their_own_report(
    workshop: Workshop, device: Device, link: DeviceContext
) -> None:
    await kept(workshop.ingest.report_attributes(link, b'{"u": 230}'))
    series = [{"ts": NOW - 2, "attributes": {"i": 2}}, {"ts": NOW - 1, "attributes": {"i": 2, "u": 10, "t": 1}}]
    assert await kept(workshop.ingest.report_series(link, msgspec.json.encode(series))) == []
    assert (await values(workshop, device))["power"] == 5.0
    assert (await values(workshop, device))["t"] == 0.1


async def test_pushes_and_cloud_attributes_are_not_processed(
    workshop: Workshop, device: Device, link: DeviceContext
) -> None:
    assert await kept(workshop.ingest.set_values(link, {"u": 100, "i": 5}, "cloud")) == []
    assert await values(workshop, device) == {"u": 100, "i": 5}


async def test_a_report_of_nothing_but_what_cannot_be_computed_is_refused(workshop: Workshop) -> None:
    own = {"attributes": [{"identifier": "x", "processing": {"formula": "1 / x"}}]}
    device = await workshop.add_device(type_id=await workshop.add_type(msgspec.convert(own, Functions)))
    link = await workshop.ingest.link(device)
    outcome = workshop.ingest.report_attributes(link, b'{"x": 0}')
    assert outcome.commit is None
    assert await kept(outcome) == [("x", "formula_no_result")]
    with pytest.raises(InvalidInput):
        workshop.ingest.report_attributes(link, b"[]")
