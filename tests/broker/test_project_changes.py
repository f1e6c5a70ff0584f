"""Applications hear what people set up, change and remove."""

import pytest

from tests.broker.conftest import House
from tests.broker.test_app_subscription import application, told
from thingstead.model.device import Device
from thingstead.services.audit.audit import acting
from thingstead.services.registry.new_device import NewDevice


@pytest.fixture
async def device(house: House) -> Device:
    return await house.platform.devices.create(house.project_id, NewDevice(name="pump", device_key="imei-1"))


async def test_what_people_set_up_is_told_with_its_version_and_by_whom(house: House, device: Device) -> None:
    app = await application(house)
    topic = f"{house.view_key}/$project/changed"
    await app.subscribe(topic)
    await house.platform.devices.put_tags(house.project_id, device.id, {"a": "b"})
    body = await told(app, topic)
    assert (body["kind"], body["id"], body["version"], body["by"]) == ("device", device.id, 2, "")
    with acting(house.platform.audit.author("cli")):
        await house.platform.projects.update(house.project_id, {"name": "Farm"})
        await house.platform.devices.delete(house.project_id, device.id)
    body = await told(app, topic)
    assert {key: body[key] for key in ("kind", "id", "version", "action", "by")} == {
        "kind": "project",
        "id": house.project_id,
        "version": 2,
        "action": "update",
        "by": "cli",
    }
    body = await told(app, topic)
    assert (body["kind"], body["action"], body["version"]) == ("device", "remove", 0)


@pytest.mark.parametrize("filter_end", ["#", "+/#", "+/+", "+/changed"])
async def test_no_wildcard_matches_what_concerns_the_whole_project(house: House, filter_end: str) -> None:
    app = await application(house)
    await app.subscribe(f"{house.view_key}/{filter_end}")
    await house.platform.projects.update(house.project_id, {"name": "Farm"})
    await app.receive_nothing()
    await app.subscribe(f"{house.view_key}/$project/#")
    await house.platform.projects.update(house.project_id, {"name": "Farm 2"})
    assert (await told(app, f"{house.view_key}/$project/changed"))["kind"] == "project"
