"""The counts of a project's alarms and devices are right after every single change, in whatever order they come."""

import random

import pytest

from tests.contract.nouns import NOW, alarm, alarm_rule, device, record
from thingstead.model.device import DevicesAlarmStat, OpenAlarm
from thingstead.storage.base import Store

RULES = ("r1", "r2", "r3")
STEPS = 60


class Model:
    """What is open, kept the simple way: level by device and rule."""

    def __init__(self) -> None:
        self.open: dict[str, dict[str, tuple[str, int]]] = {}  # alarm id and level

    def worst(self, device_id: str) -> int:
        return max((level for _, level in self.open[device_id].values()), default=0)

    @property
    def stat(self) -> DevicesAlarmStat:
        worst = [self.worst(device_id) for device_id in self.open]
        return DevicesAlarmStat(
            device_total=len(worst),
            alarm_1_total=worst.count(1),
            alarm_2_total=worst.count(2),
            alarm_3_total=worst.count(3),
            normal_total=worst.count(0),
        )


async def change(store: Store, model: Model, chance: random.Random, number: int) -> None:
    """One change, by chance, in the store and in the model."""
    if not model.open or chance.random() < 0.15:
        model.open[f"d{number}"] = {}
        await store.devices.create_many([device(f"d{number}")])
        return
    device_id, rule_id = chance.choice(sorted(model.open)), chance.choice(RULES)
    opened, level = model.open[device_id], chance.randint(1, 3)
    if chance.random() < 0.08:
        del model.open[device_id]
        await store.devices.delete("ours", device_id)
    elif rule_id not in opened:
        opened[rule_id] = (f"a{number}", level)
        await record(store, alarm(f"a{number}", device_id, rule_id=rule_id, alarm_level=level))
    elif chance.random() < 0.5:
        opened[rule_id] = (opened[rule_id][0], level)
        alarm_id = opened[rule_id][0]
        await record(store, alarm(f"a{number}", device_id, rule_id=rule_id, alarm_id=alarm_id, alarm_level=level))
    else:
        alarm_id, _ = opened.pop(rule_id)
        await record(store, alarm(f"a{number}", device_id, rule_id=rule_id, alarm_id=alarm_id, alarm_status=0))


@pytest.mark.parametrize("seed", range(5))
async def test_counts_are_right_after_every_change(store: Store, seed: int) -> None:
    await store.devices.create_many([device("foreign", "theirs")])
    await record(store, alarm("f1", "foreign", project_id="theirs", alarm_level=3))
    for rule_id in RULES:
        await store.alarm_rules.create(alarm_rule(rule_id, device_ids=()))
    model, chance = Model(), random.Random(seed)
    for number in range(STEPS):
        await change(store, model, chance, number)
        assert await store.devices.alarm_stat("ours") == model.stat
        stat = await store.devices.stat("ours", NOW)
        assert (stat.device_total, stat.alarm_device_total) == (
            len(model.open),
            stat.device_total - model.stat.normal_total,
        )
        for device_id in model.open:
            shown = (await store.devices.get_view("ours", device_id)).alarm
            assert (shown or OpenAlarm(alarm_level=0, ts=0)).alarm_level == model.worst(device_id)
