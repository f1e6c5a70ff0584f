"""A plant with a type of thermometers, one of them, and those who are told of its alarms."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.alarm_plant import Plant, planted
from tests.services.alarms.sending import Sender
from tests.services.receivers import HttpReceiver
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition, Functions

THERMOMETER = Functions(attributes=(AttributeDefinition(identifier="t"), AttributeDefinition(identifier="p")))


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with planted(tmp_path) as plant:
        yield plant


@pytest.fixture
async def type_id(plant: Plant) -> str:
    return await plant.workshop.add_type(THERMOMETER)


@pytest.fixture
async def device(plant: Plant, type_id: str) -> Device:
    return await plant.workshop.add_device(type_id=type_id)


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
async def sender(plant: Plant) -> AsyncIterator[Sender]:
    sender = Sender(plant)
    yield sender
    await sender.dispatcher.close()
