"""When a rollout goes on, pauses or ends; and whose turn it is to download."""

import asyncio
from typing import Any

import pytest

from thingstead.model.ota.rollout import OtaRollout, WaveCounts
from thingstead.services.ota.pacing import Pacer
from thingstead.services.ota.runner import next_step


def rollout(**members: Any) -> OtaRollout:
    given = {"waves": (10, 50, 100), "wave": 1, "advance_percent": 80, "fail_percent": 20, "fail_least": 5}
    return OtaRollout(
        id="r", project_id="p", version_id="v", name="r", state="running", selection={}, create_time=0, update_time=0,
        **{**given, **members},
    )  # fmt: skip


PAUSED_FAILED = {"state": "paused", "pause_code": "too_many_failed"}
PAUSED_WAVE = {"state": "paused", "pause_code": "wave_unverified"}


@pytest.mark.parametrize(
    ("members", "waves", "expected"),
    [
        ({}, [{"waiting": 10}, {"waiting": 40}], {}),
        ({}, [{"sent": 2, "verified": 8}, {"waiting": 40}], {"wave": 2}),  # 80 % of those that were told
        ({}, [{"sent": 3, "verified": 7}, {"waiting": 40}], {}),
        ({}, [{"skipped": 10}, {"waiting": 40}], {"wave": 2}),  # nobody was told
        ({}, [{"failed": 1, "verified": 3}, {"waiting": 40}], PAUSED_WAVE),  # over, and too few to count failures
        ({}, [{"failed": 1, "verified": 4, "sent": 5}, {"waiting": 40}], {}),  # 20 % are not more than 20 %
        ({}, [{"failed": 1, "timed_out": 1, "verified": 4, "sent": 4}, {"waiting": 40}], PAUSED_FAILED),
        ({"excused_failed": 2, "excused_concluded": 6}, [{"failed": 2, "verified": 4, "sent": 4}, {"waiting": 1}], {}),
        ({"excused_failed": 2, "excused_concluded": 6}, [{"failed": 7, "verified": 4}, {"waiting": 1}], PAUSED_FAILED),
        ({"wave": 3}, [{"verified": 1}, {"verified": 4}, {"verified": 2, "sent": 3}], {}),
        ({"wave": 3}, [{"verified": 1}, {"verified": 4}, {"verified": 4, "failed": 1}], {"state": "done"}),
        ({"wave": 3}, [], {"state": "done"}),
        ({}, [], {"wave": 2}),
        ({"advance_percent": 0}, [{"sent": 10}, {"waiting": 1}], {"wave": 2}),
        ({"fail_percent": 0, "fail_least": 1}, [{"sent": 9, "failed": 1}], PAUSED_FAILED),
    ],
)
def test_a_rollout_takes_the_step_that_its_devices_allow(
    members: dict[str, Any], waves: list[dict[str, int]], expected: dict[str, Any]
) -> None:
    counted = [WaveCounts(number, counts) for number, counts in enumerate(waves, 1)]  # type: ignore[arg-type]
    assert next_step(rollout(**members), counted) == expected


async def test_projects_get_their_turns_one_after_the_other() -> None:
    pacer = Pacer(1_000_000)
    await pacer.turn("first", 1_000_000)  # more than there is: everybody waits now
    order: list[str] = []

    async def load(project_id: str) -> None:
        await pacer.turn(project_id, 1_000)
        order.append(project_id)

    waiting = [asyncio.create_task(load("big")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting += [asyncio.create_task(load("small")) for _ in range(2)]
    await asyncio.sleep(0)
    assert pacer.waiting == 22
    waiting[3].cancel()  # its device has gone
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order[:4] == ["big", "small", "big", "small"]
    assert order.count("big") == 19
    assert pacer.waiting == 0
    pacer.close()


async def test_without_a_rate_nobody_waits() -> None:
    pacer = Pacer(0)
    for _ in range(3):
        await pacer.turn("p", 1 << 30)
    assert pacer.waiting == 0
