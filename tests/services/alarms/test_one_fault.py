"""One unexpected exception costs one device, one step or one digest: everything else goes on."""

from collections.abc import Awaitable, Callable

import pytest

from tests.services.alarm_plant import HOT, MINUTE, Plant
from tests.services.alarms.sending import Sender
from tests.services.conftest import NOW
from tests.services.receivers import HttpReceiver
from thingstead.model.device import Device
from thingstead.services.alarms.device import DeviceAlarms
from thingstead.services.alarms.invalidation import handle_each


def failing_for(device: Device) -> Callable[..., Awaitable[list[str]]]:
    load = DeviceAlarms.load

    async def fail(self: DeviceAlarms, *args: object) -> list[str]:
        if self.device.id == device.id:
            raise RuntimeError("as a mistake of ours would have it")
        return await load(self, *args)  # type: ignore[arg-type]

    return fail


async def test_a_device_that_cannot_be_read_keeps_no_other_from_being_watched(
    plant: Plant, device: Device, type_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await plant.workshop.add_device(type_id=type_id)
    monkeypatch.setattr(DeviceAlarms, "load", failing_for(device))
    await plant.add_rule({"no_data_ms": MINUTE}, type=type_id)
    await plant.wait(MINUTE)
    assert [(log.device_id, log.ts) for log in await plant.logs()] == [(other.id, NOW + MINUTE)]


async def test_a_step_that_fails_keeps_no_other_from_its_turn(
    plant: Plant, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await plant.add_rule({"attribute": "q", "op": ">", "value": 1}, devices=[device.id])
    await plant.report(device, q="text")

    async def fail() -> None:
        raise RuntimeError("as a mistake of ours would have it")

    monkeypatch.setattr(plant.engine, "_end_shelves", fail)
    with pytest.raises(RuntimeError):
        await plant.engine.sweep()
    assert (await plant.rules.get("p1", rule.id)).failing


async def test_what_must_be_done_again_is_raised_when_the_others_had_their_turn() -> None:
    pending, done = {"bad": 1, "good": 2}, []

    async def handle(key: str, value: int) -> None:
        if key == "bad":
            raise RuntimeError(key)
        done.append(value)

    with pytest.raises(RuntimeError):
        await handle_each(pending, handle, again=True)
    assert (pending, done) == ({"bad": 1}, [2])
    await handle_each(pending, handle)
    assert pending == {}


async def test_digests_that_cannot_be_made_hold_up_no_notice(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    async def fail(*_: object) -> int:
        tried.append(1)
        raise RuntimeError("as a mistake of ours would have it")

    monkeypatch.setattr(plant.store.notify, "digest", fail)
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await plant.report(device, t=81)
    await sender.send()
    await sender.send()
    assert len(receiver.received) == 1
    assert len(tried) == 1
