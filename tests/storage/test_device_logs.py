"""Device logs keep the newest entries of each device and kind, and commands expire in order of their time."""

import pytest

from tests.services.conftest import NOW, Workshop, workshop
from thingstead.model.device import Page
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.tables import device_logs

__all__ = ["workshop"]


async def test_entries_are_kept_newest_first_per_device_and_kind(workshop: Workshop) -> None:
    first, second = await workshop.add_device(), await workshop.add_device()
    logs = workshop.store.device_logs
    for index in range(3):
        logs.append(first.number, "rejected", NOW + index, {"reason": index})
    logs.append(first.number, "data", NOW, {"reason": "other kind"})
    await settled(logs.append(second.number, "rejected", NOW, {"reason": "other device"}))
    entries, total = await logs.list_page(first.number, "rejected", Page(number=1, records=2))
    assert [(entry.ts, entry.body) for entry in entries] == [(NOW + 2, {"reason": 2}), (NOW + 1, {"reason": 1})]
    assert total == 3


async def test_only_the_newest_entries_are_kept(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_logs, "KEPT", 5)
    device = await workshop.add_device()
    for index in range(20):
        commit = workshop.store.device_logs.append(device.number, "data", NOW, {"index": index})
    await settled(commit)
    entries, total = await workshop.store.device_logs.list_page(device.number, "data", Page())
    assert [entry.body["index"] for entry in entries] == [19, 18, 17, 16, 15]
    assert total == 5


async def test_an_entry_of_a_device_that_is_gone_is_dropped_and_its_neighbors_are_kept(workshop: Workshop) -> None:
    device = await workshop.add_device()
    workshop.store.device_logs.append(device.number + 1000, "data", NOW, {})
    await settled(workshop.store.device_logs.append(device.number, "data", NOW, {}))
    assert (await workshop.store.device_logs.list_page(device.number, "data", Page()))[1] == 1


async def test_commands_whose_time_is_over_expire(workshop: Workshop) -> None:
    device = await workshop.add_device()
    for wait_ms in (70_000, 120_000, 90_000):
        await workshop.control.send_command("p1", device.id, "reboot", wait_ms=wait_ms)
    expired = await workshop.store.commands.expire(NOW + 90_000, 10)
    assert [command.state for command in expired] == ["expired", "expired"]
    assert [command.expire_time - NOW for command in await workshop.store.commands.list_open(device.id)] == [120_000]
    assert await workshop.store.commands.expire(NOW + 90_000, 10) == []
