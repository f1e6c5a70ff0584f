"""``[]`` where an object is meant counts as an empty one, as PHP writes it, on every plane."""

import json
from typing import Any

import pytest

from tests.services.conftest import Workshop
from thingstead.errors import InvalidInput
from thingstead.model.device import Page
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.shared.commits import settled


def packed(value: Any) -> bytes:
    return json.dumps(value).encode()


async def settle(outcome: Outcome) -> Outcome:
    if outcome.commit is not None:
        await settled(outcome.commit)
    return outcome


async def test_params_of_an_event(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    await settle(workshop.ingest.report_event(link, packed({"method": "boot", "params": []})))
    events, _ = await workshop.store.events.list_page(device.id, Page())
    assert [event.params for event in events] == [{}]
    with pytest.raises(InvalidInput, match="params"):
        workshop.ingest.report_event(link, packed({"method": "boot", "params": [1]}))


async def test_attributes_of_a_series_do_not_become_an_attribute(workshop: Workshop) -> None:
    device = await workshop.add_device()
    link = await workshop.ingest.link(device)
    series = [
        {"ts": workshop.clock.now_ms(), "attributes": []},
        {"ts": workshop.clock.now_ms(), "attributes": {"x": 1}},
    ]
    await settle(workshop.ingest.report_series(link, packed(series)))
    assert list(await workshop.store.history.current(device.number)) == ["x"]


async def test_params_of_a_command_and_of_its_reply(workshop: Workshop) -> None:
    device = await workshop.add_device()
    command = await workshop.control.send_command("p1", device.id, "m", [], wait_ms=60_000)
    assert command.params == {}
    workshop.control.command_sent(command.id, 0)
    await settle(workshop.control.reply(device, 1000, packed({"method": "m", "params": [], "id": 1000})))
    replied = await workshop.store.commands.get(device.id, command.id)
    assert (replied.state, replied.reply) == ("replied", {"method": "m", "params": {}, "id": 1000})


async def test_what_a_gateway_says_of_its_sub_devices(workshop: Workshop) -> None:
    gateway = await workshop.add_device(type_id=await workshop.add_type(conn_type="3"))
    sub_type = await workshop.add_type(conn_type="2")
    below = await workshop.add_device(type_id=sub_type, gateway_id=gateway.id, sub_address="a")
    service, link = workshop.sub_devices, await workshop.sub_devices.open(gateway, "session")
    assert (await settle(service.report_attributes(link, packed({"a": []})))).refused == ()
    outcome, _ = service.report_event(link, packed({"device": "a", "event": {"method": "boot", "params": []}}))
    await settle(outcome)
    events, _ = await workshop.store.events.list_page(below.id, Page())
    assert [event.params for event in events] == [{}]
    with pytest.raises(InvalidInput, match="method"):  # of the empty object
        service.report_event(link, packed({"device": "a", "event": []}))
    await link.idle()
