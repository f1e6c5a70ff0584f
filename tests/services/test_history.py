"""What may be asked of history."""

import pytest

from tests.services.conftest import NOW, Workshop
from thingstead.errors import InvalidInput
from thingstead.model.limits import KEYS_COUNT
from thingstead.model.report import Report
from thingstead.services.history.history import HistoryService
from thingstead.services.shared.commits import settled


async def test_attributes_are_removed_some_at_a_time_and_not_none(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await settled(workshop.store.history.append(Report(device.number, NOW, NOW, {"a": 1, "b": 2})))
    history = HistoryService(workshop.store, workshop.bus)
    for identifiers in ([], ["a"] * (KEYS_COUNT + 1)):
        with pytest.raises(InvalidInput):
            await history.remove_attributes("p1", device.id, identifiers)
    await history.remove_attributes("p1", device.id, ["a"] * KEYS_COUNT)
    assert (await workshop.store.history.current(device.number)).keys() == {"b"}
    await history.remove_attributes("p1", device.id, ["never reported", ""])
    assert (await workshop.store.history.current(device.number)).keys() == {"b"}
