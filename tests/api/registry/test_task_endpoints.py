"""Tasks through the API: kept, refused, changed, previewed, run."""

from typing import Any

import pytest

from tests.api.registry.house import Api

SCHEDULE = {"cron": "0 18 * * *", "timezone": "Europe/Berlin"}
SUN = {"sun": "sunset", "latitude": 52.5, "longitude": 13.4}


def smallest(**more: Any) -> dict[str, Any]:
    return {"name": "Lamps", "schedule": SCHEDULE, "filter": {"keyword": "x"}, "action": {"push": {"on": 1}}, **more}


async def test_a_task_is_shown_as_it_was_given_and_changes_keep_the_rest(api: Api) -> None:
    body = smallest(filter={"type": "m4t8y1qz", "tag": ["a:b"], "online": True})
    task_id = (await api.call("POST", "task", body))["id"]
    shown = await api.get(f"task/{task_id}")
    assert {name: shown[name] for name in body} == body
    assert (shown["state"], shown["missed"], shown["missed_within_ms"], shown["version"]) == (
        "scheduled", "once", 3_600_000, 1,
    )  # fmt: skip
    assert shown["next_run_at"] > 0
    assert (await api.get("tasks", enabled="1", keyword="LAMP"))["items"] == [shown]
    assert (await api.get("tasks", enabled="0"))["items"] == []

    device_id = await api.new_device(name="d")
    changed = await api.call("PUT", f"task/{task_id}", {"devices": [device_id], "enabled": False, "version": 1})
    assert (changed["devices"], changed["state"], changed["next_run_at"], changed["version"]) == (
        [device_id], "off", 0, 2,
    )  # fmt: skip
    assert "filter" not in changed
    assert changed["action"] == body["action"]
    assert (await api.refusal("PUT", f"task/{task_id}", {"name": "n", "version": 1})).errcode == 409
    again = await api.call("PUT", f"task/{task_id}", {"filter": {"keyword": "y"}, "enabled": True})
    assert (again["devices"], again["filter"], again["state"]) == ([], {"keyword": "y"}, "scheduled")
    await api.call("DELETE", f"task/{task_id}")
    assert (await api.get("tasks"))["total"] == 0


@pytest.mark.parametrize(
    ("more", "fields"),
    [
        ({"filter": None}, ["devices"]),
        ({"devices": ["nowhere"]}, ["devices", "devices[0]"]),
        ({"filter": None, "devices": ["nowhere"]}, ["devices[0]"]),
        ({"filter": {"groups": ",".join(f"g{n}" for n in range(101))}}, ["filter.groups"]),
        ({"schedule": {}}, ["schedule"]),
        ({"schedule": {**SCHEDULE, "every_ms": 60_000}}, ["schedule"]),
        ({"schedule": {"cron": "0 0 8 * * 1"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "0 0 31 2 *"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "@reboot"}}, ["schedule.cron"]),
        ({"schedule": {"cron": "0 8 * * *", "timezone": "Mars/Olympus"}}, ["schedule.timezone"]),
        ({"schedule": {"cron": "0 8 * * *", "timezone": "../../etc/passwd"}}, ["schedule.timezone"]),
        ({"schedule": {"cron": "0 8 * * *", "end_at": 5}}, ["schedule"]),
        ({"schedule": {"cron": "0 8 * * *", "latitude": 5}}, ["schedule.latitude"]),
        ({"schedule": {"cron": "0 8 * * *", "offset_ms": 5}}, ["schedule.offset_ms"]),
        ({"schedule": {"at": 5}}, ["schedule"]),
        ({"schedule": {"at": 99_999_999_999_999}}, ["schedule.at"]),
        ({"schedule": {"every_ms": 9_999}}, ["schedule.every_ms"]),
        ({"action": {"push": {"a": 2**70}}}, ["action.push.a"]),
        ({"schedule": {"at": 9_999_999_999_999, "max_runs": 1}}, ["schedule.max_runs"]),
        ({"schedule": {"every_ms": 60_000, "start_at": 9, "end_at": 5}}, ["schedule.end_at"]),
        ({"schedule": {"sun": "sunset"}}, ["schedule.latitude", "schedule.longitude"]),
        ({"schedule": {**SUN, "latitude": 90}}, ["schedule"]),
        ({"action": {}}, ["action"]),
        ({"action": {"push": {"a": 1}, "command": {"method": "m"}}}, ["action"]),
        ({"action": {"push": {}}}, ["action.push"]),
        ({"action": {"push": {"a b": 1}}}, ["action.push.a b"]),
        ({"action": {"push": {"a": 1}, "result": "command"}}, ["action.result"]),
        ({"action": {"command": {"method": "no spaces"}}}, ["action.command.method"]),
        ({"action": {"data": {"identifier": "s", "format": "hex", "body": "0"}}}, ["action.data.body"]),
        ({"action": {"function": "f("}}, ["action.function"]),
        ({"action": {"function": "module.exports = 1"}}, ["action.function"]),
        ({"action": {"function": "module.exports = function () {}", "result": "data"}}, ["action.identifier"]),
        ({"action": {"function": "module.exports = function () {}", "identifier": "s"}}, ["action.identifier"]),
        ({"action": {"push": {"a": "x" * 100_000}}}, ["action"]),
    ],
)
async def test_a_task_that_could_never_act_is_refused_by_the_name_of_the_part(
    api: Api, more: dict[str, Any], fields: list[str]
) -> None:
    refusal = await api.refusal("POST", "task", smallest(**more))
    assert refusal.errcode == 400
    assert refusal.fields == set(fields)
    assert (await api.get("tasks"))["total"] == 0


async def test_a_run_by_hand_is_listed_with_its_results(api: Api) -> None:
    device_id = await api.new_device(name="lamp one")
    task_id = (await api.call("POST", "task", smallest(filter=None, devices=[device_id], enabled=False)))["id"]

    begun = await api.call("POST", f"task/{task_id}/run")

    assert (begun["trigger"], begun["state"], begun["total"], begun["by"]["kind"]) == (
        "manual",
        "running",
        1,
        "application",
    )
    assert (await api.get(f"task/{task_id}/run/{begun['id']}")) == begun
    assert (await api.get(f"task/{task_id}/runs"))["items"] == [begun]
    assert (await api.get(f"task/{task_id}"))["last_run"] == begun
    assert (await api.refusal("POST", f"task/{task_id}/run")).errcode == 409
    assert (await api.get(f"task/{task_id}/run/{begun['id']}/results"))["items"] == []
    ended = await api.call("POST", f"task/{task_id}/run/{begun['id']}/cancel")
    assert (ended["state"], ended["end_time"] > 0) == ("cancelled", True)
    assert (await api.refusal("POST", f"task/{task_id}/run/{begun['id']}/cancel")).errcode == 409
    assert (await api.refusal("GET", f"task/{task_id}/run/nowhere")).errcode == 404
    assert (await api.refusal("GET", "task/nowhere/runs")).errcode == 404


async def test_a_preview_says_when_and_what_may_be_unexpected(api: Api) -> None:
    found = await api.call("POST", "task_preview", {"schedule": {"cron": "30 2 1 * 1", "timezone": "Europe/Berlin"}})
    assert len(found["instants"]) == 10
    assert [note["code"] for note in found["notes"]] == ["note_either_day"]
    assert found["words"] == {
        "en": "At 02:30 on the first day of month and on Monday", "zh": "每月 1 日或周一 02:30",
    }  # fmt: skip
    assert found["timezone"] == "Europe/Berlin"
    assert all(instant["local"][11:16] == "02:30" for instant in found["instants"])
    once = await api.call("POST", "task_preview", {"schedule": {"every_ms": 5_400_000, "max_runs": 3}})
    assert (len(once["instants"]), once["words"]["en"], once["timezone"]) == (3, "Every 1 hour 30 minutes", "+00:00")
    assert (await api.refusal("POST", "task_preview", {"schedule": {"cron": "x"}})).errcode == 400
