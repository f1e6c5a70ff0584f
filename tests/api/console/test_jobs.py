"""More devices than one call changes are changed by a job."""

import asyncio
from typing import Any

import pytest

from tests.api.registry.house import Api, House
from tests.api.registry.test_device_list import connect_device
from thingstead.model import limits
from thingstead.services.commands import control
from thingstead.services.registry.new_device import NewDevice, draw_device

MANY = 25_000


@pytest.fixture
async def crowd(api: Api, house: House) -> list[str]:
    """25,000 devices."""
    now = house.clock.now_ms()
    drafts = [draw_device(api.project_id, NewDevice(name=f"d{number}"), now, f"d{number:07}") for number in range(MANY)]
    await house.store.devices.create_many(drafts)
    return [draft.id for draft in drafts]


async def tagged(api: Api, tag: str = "site") -> int:
    return int((await api.get("devices", tag=tag, page_records=1))["total"])


async def begin(api: Api, **what: Any) -> str:
    body = {"filter": {}, "total": MANY, "tags": {"site": "x"}, **what}
    info = await api.call("POST", "devices_tags", body)
    assert (info["total"], info.get("items")) == (MANY, None)
    return str(info["job"])


async def until(house: House, api: Api, job: str, done: int) -> None:
    while (await api.get(f"job/{job}"))["done"] < done:
        await house.store.jobs.prune(0, limits.JOBS_KEPT_COUNT)  # waits for the writer


async def test_25000_devices_are_tagged_by_a_job(api: Api, house: House, crowd: list[str]) -> None:
    job = await begin(api)
    assert (await api.get(f"job/{job}"))["state"] == "queued"
    await house.platform.jobs.run()
    found = await api.get(f"job/{job}")
    assert (found["state"], found["done"], found["refused"], found["items"]) == ("done", MANY, 0, [])
    assert (found["action"], found["what"], found["end_time"]) == (
        "tags",
        {"tags": {"site": "x"}},
        house.clock.now_ms(),
    )
    assert await tagged(api) == MANY


async def test_a_cancelled_job_leaves_the_rest_undone(api: Api, house: House, crowd: list[str]) -> None:
    job = await begin(api)
    running = asyncio.create_task(house.platform.jobs.run())
    await until(house, api, job, 1_000)
    assert (await api.call("POST", f"job/{job}/cancel"))["state"] == "cancelled"
    await running
    found = await api.get(f"job/{job}")
    assert found["state"] == "cancelled"
    assert 1_000 <= found["done"] < MANY
    assert await tagged(api) == found["done"]
    assert (await api.refusal("POST", f"job/{job}/cancel")).errcode == 409


async def test_a_job_goes_on_after_a_restart_with_the_devices_of_its_start(
    api: Api, house: House, crowd: list[str]
) -> None:
    job = await begin(api)
    running = asyncio.create_task(house.platform.jobs.run())
    await until(house, api, job, 1_000)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await house.store.devices.delete(api.project_id, crowd[-1])
    await api.new_device(name="came later")
    await house.reopen()
    await house.platform.jobs.run()
    found = await api.get(f"job/{job}")
    assert (found["state"], found["done"], found["unchanged"], found["refused"]) == ("done", MANY - 1, 0, 1)
    [item] = found["items"]
    assert (item["id"], item["result"], item["code"]) == (crowd[-1], "refused", "no_such_device")
    assert await tagged(api) == MANY - 1


async def test_a_job_does_not_wait_for_the_devices_of_another_project(
    api: Api, stranger: Api, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "HANDOVER_TIMEOUT_S", 600)
    now, count = house.clock.now_ms(), limits.DEVICES_PER_REQUEST + 1
    jobs: list[str] = []
    wanted: list[tuple[Api, str, dict[str, Any]]]
    wanted = [(api, "control/devices/command", {"method": "open"}), (stranger, "devices_tags", {"tags": {"site": "x"}})]
    for number, (each, path, what) in enumerate(wanted):
        drafts = [
            draw_device(each.project_id, NewDevice(name="d"), now, f"{number}d{index:06}") for index in range(count)
        ]
        await house.store.devices.create_many(drafts)
        await connect_device(house, each, drafts[0].id)  # no connection of it takes a command
        jobs.append((await each.call("POST", path, {"filter": {}, "total": count, **what}))["job"])
    running = asyncio.create_task(house.platform.jobs.run())
    await until(house, stranger, jobs[1], count)
    assert (await api.get(f"job/{jobs[0]}"))["state"] != "done"
    late = (await stranger.call("POST", "devices_tags", {"filter": {}, "total": count, "tags": {"floor": "1"}}))["job"]
    await until(house, stranger, late, count)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_pushes_of_a_job_are_counted_in_the_commit_that_keeps_them(api: Api, house: House) -> None:
    now = house.clock.now_ms()
    count = limits.DEVICES_PER_REQUEST + 1
    drafts = [draw_device(api.project_id, NewDevice(name="d"), now, f"d{number:07}") for number in range(count)]
    await house.store.devices.create_many(drafts)
    body = {"filter": {"keyword": "d0"}, "total": count, "attributes": {"level": 7}}
    job = (await api.call("POST", "control/devices/attributes", body))["job"]
    running = asyncio.create_task(house.platform.jobs.run())
    await until(house, api, job, 100)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await house.reopen()
    await house.platform.jobs.run()
    assert (await api.get(f"job/{job}"))["done"] == count
    for draft in (drafts[0], drafts[75], drafts[-1]):
        series = await api.get(f"device/{draft.id}/attribute/level/series")
        assert [item["value"] for item in series] == [7]


async def test_projects_take_turns(api: Api, stranger: Api, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    for each in (api, stranger):
        now = house.clock.now_ms()
        drafts = [draw_device(each.project_id, NewDevice(name="d"), now) for _ in range(1_500)]
        await house.store.devices.create_many(drafts)
        body = {"filter": {}, "total": 1_500, "tags": {"site": "x"}}
        await each.call("POST", "devices_tags", body)
    apply = house.platform.jobs._changes.apply

    async def noted(project_id: str, *more: Any) -> Any:
        turns.append(project_id)
        return await apply(project_id, *more)

    monkeypatch.setattr(house.platform.jobs._changes, "apply", noted)
    await house.platform.jobs.run()
    assert set(turns[:2]) == {api.project_id, stranger.project_id}
    assert sorted(turns[:6].count(project_id) for project_id in set(turns)) in ([2, 4], [3, 3])  # one may end sooner


async def test_a_project_sees_only_its_own_jobs(api: Api, stranger: Api, crowd: list[str]) -> None:
    job = await begin(api)
    assert [each["id"] for each in (await api.get("jobs"))["items"]] == [job]
    assert (await stranger.get("jobs"))["items"] == []
    assert (await stranger.refusal("GET", f"job/{job}")).errcode == 404
    assert (await stranger.refusal("POST", f"job/{job}/cancel")).errcode == 404


async def test_open_jobs_of_a_project_are_bounded_and_old_ones_are_forgotten(
    api: Api, house: House, crowd: list[str]
) -> None:
    jobs = [await begin(api) for _ in range(limits.JOBS_OPEN_COUNT)]
    body = {"filter": {}, "total": MANY, "tags": {"site": "x"}}
    assert (await api.refusal("POST", "devices_tags", body)).errcode == 409
    for job in jobs:
        await api.call("POST", f"job/{job}/cancel")
    house.clock.advance(limits.JOBS_KEPT_DAYS * 24 * 3600 * 1000 + 1)
    await house.platform.jobs.run()
    assert (await api.get("jobs"))["items"] == []


async def test_the_list_leaves_out_long_values_and_the_job_has_them(api: Api, crowd: list[str]) -> None:
    long = {"filter": {}, "total": MANY, "attributes": {"text": "x" * limits.JOB_SHOWN_BYTES}}
    short = {"filter": {}, "total": MANY, "attributes": {"text": "x"}}
    command = {"filter": {}, "total": MANY, "method": "run", "params": {"text": "x" * limits.JOB_SHOWN_BYTES}}
    job = (await api.call("POST", "control/devices/attributes", long))["job"]
    await api.call("POST", "control/devices/attributes", short)
    await api.call("POST", "control/devices/command", command)
    shown = [each["what"] for each in (await api.get("jobs"))["items"]]
    assert shown[0] == {"method": "run", "params": {}, "id": None, "wait_ms": 0}
    assert shown[1:] == [{"attributes": {"text": "x"}}, {"attributes": {}}]
    assert (await api.get(f"job/{job}"))["what"] == {"attributes": long["attributes"]}
