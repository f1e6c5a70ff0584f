"""Rules are bounded in bytes: each of them, and all that every report of a device has to go through."""

from typing import Any

import pytest

from tests.services.alarm_plant import HOT, Plant
from thingstead.errors import Conflict, InvalidInput
from thingstead.model import limits
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.services.registry.device_types import DeviceTypeService, NewDeviceType

POLYGON = [{"lat": lat / 100, "lng": lng} for lng in (0, 1) for lat in range(0, 9_000, 90)]


def fences(count: int) -> dict[str, Any]:
    """A condition of some 5 kB for each polygon."""
    return {"or": [{"attribute": "place", "op": "outside", "polygon": POLYGON} for _ in range(count)]}


async def test_a_rule_has_a_bound_in_bytes(plant: Plant, device: Device) -> None:
    with pytest.raises(InvalidInput) as refused:
        await plant.add_rule(fences(90), devices=[device.id])
    assert [(error.field, error.message) for error in refused.value.errors] == [
        ("raise", f"must have at most {limits.RULE_BYTES:,} bytes as JSON")
    ]


@pytest.mark.parametrize("source", ["type", "devices"])
async def test_the_rules_of_one_source_have_a_bound_together(
    plant: Plant, device: Device, type_id: str, source: str
) -> None:
    named: dict[str, Any] = {"type": type_id} if source == "type" else {"devices": [device.id]}
    rules = [await plant.add_rule(fences(12), **named) for _ in range(4)]
    with pytest.raises(Conflict, match="262,144 bytes together"):
        await plant.add_rule(fences(12), **named)
    await plant.change_rule(rules[0], name="another name")
    small = await plant.add_rule(HOT, devices=[(await plant.workshop.add_device()).id])
    with pytest.raises(Conflict):
        await plant.change_rule(small, raises=fences(12), **named, **({"devices": []} if source == "type" else {}))


async def test_a_type_has_a_bound_in_bytes(plant: Plant) -> None:
    types = DeviceTypeService(plant.store, plant.bus, plant.clock)
    items = [{"value": f"{number}", "name": "x" * 60} for number in range(500)]
    attributes = tuple(
        AttributeDefinition(identifier=f"a{number}", data_type="enum", data_options={"items": items})
        for number in range(20)
    )
    with pytest.raises(InvalidInput) as refused:
        await types.create("p1", NewDeviceType(name="large", functions=Functions(attributes=attributes)))
    assert [error.field for error in refused.value.errors] == ["functions"]
