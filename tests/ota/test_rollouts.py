"""Rollouts: one version for many devices, in waves, with a stop condition."""

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx

from tests.mqtt_device import MqttDevice
from tests.ota.fleet import FIRMWARE, Fleet, check, fetch
from tests.project_api import Certificate
from tests.running import eventually

FULL = {"waves": [100], "fail_least": 1_000}


def devices(fleet: Fleet, count: int) -> list[Certificate]:
    """New devices that report version 1.0 over HTTP."""
    made = [fleet.device() for _ in range(count)]
    for each in made:
        report(fleet, each, "1.0")
    return made


def report(fleet: Fleet, certificate: Certificate, version: str) -> None:
    """A report over HTTP."""
    url = f"{fleet.running.server.url}/device/v1/{certificate.access_token}/attributes"
    answer = httpx.post(
        url, json={"version": version}, headers={"Project-Key": certificate.project_key}, trust_env=False
    )
    assert answer.json() == {"result": 1}


def told(device: MqttDevice) -> Any:
    command = device.next("command/send/1000")
    assert command["method"] == "otaUpgrade"
    return command["params"]


def counts(fleet: Fleet, rollout_id: str) -> dict[str, int]:
    return {state: count for state, count in fleet.read(rollout_id)["counts"].items() if count}


def reaches(fleet: Fleet, rollout_id: str, **wanted: Any) -> None:
    eventually(lambda: {name: fleet.read(rollout_id)[name] for name in wanted} == wanted)


def has(fleet: Fleet, rollout_id: str, **wanted: int) -> None:
    eventually(lambda: counts(fleet, rollout_id) == wanted)


def states(fleet: Fleet, rollout_id: str) -> dict[str, str]:
    items = fleet.api.call("GET", f"/ota_rollout/{rollout_id}/devices", params={"page_records": 100})["items"]
    return {item["device"]: item["state"] for item in items}


def sent(fleet: Fleet, rollout_id: str) -> set[str]:
    return {device_id for device_id, state in states(fleet, rollout_id).items() if state == "sent"}


def verify(fleet: Fleet, chosen: Iterable[Certificate]) -> None:
    for each in chosen:
        report(fleet, each, "1.1")


def test_a_device_that_is_told_downloads_and_is_verified(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", check_offers=False)
    (online, offline) = devices(fleet, 2)
    with fleet.connected(online) as device:
        rollout_id = fleet.rollout(version_id, online, offline, **FULL, name="north")
        params = told(device)
        assert (params["upgrade"], params["version"]) == (True, "1.1")
        has(fleet, rollout_id, sent=2)
        assert len(fetch(params["url"]).content) == len(FIRMWARE)
        has(fleet, rollout_id, sent=1, downloading=1)
        device.report({"method": "otaUpgrade", "params": {"ota_result": 0}}, "command/reply/1000")
        has(fleet, rollout_id, sent=1, finished=1)
        device.report({"version": "1.1"})
        has(fleet, rollout_id, sent=1, verified=1)
    with fleet.connected(offline) as device:  # its command has waited
        assert told(device)["url"] != params["url"]
        device.report({"version": "v1.1"})
    reaches(fleet, rollout_id, state="done", total=2, name="north", version_name="1.1")
    read = fleet.read(rollout_id)
    assert read["progress"][0]["counts"]["verified"] == 2
    assert read["end_time"] >= read["start_time"] >= read["create_time"]


def test_waves_follow_each_other_when_enough_is_verified(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", check_offers=False)
    made = devices(fleet, 10)
    by_id = {each.device_id: each for each in made}
    rollout_id = fleet.rollout(version_id, *made, waves=[1, 30, 100], advance_percent=100, fail_least=100)
    has(fleet, rollout_id, sent=1, waiting=9)
    assert [wave["total"] for wave in fleet.read(rollout_id)["progress"]] == [1, 2, 7]
    waiting = next(each for each, state in states(fleet, rollout_id).items() if state == "waiting")
    with fleet.connected(by_id[waiting]) as device:
        assert "url" not in check(device)  # its turn has not come
    for wave, size in ((2, 2), (3, 7)):
        verify(fleet, [by_id[each] for each in sent(fleet, rollout_id)])
        eventually(partial(in_wave, fleet, rollout_id, wave, size))
    verify(fleet, [by_id[each] for each in sent(fleet, rollout_id)])
    reaches(fleet, rollout_id, state="done")
    assert counts(fleet, rollout_id) == {"verified": 10}


def in_wave(fleet: Fleet, rollout_id: str, wave: int, size: int) -> bool:
    return bool(fleet.read(rollout_id)["wave"] == wave and len(sent(fleet, rollout_id)) == size)


def test_too_many_failures_pause_it_and_its_devices_get_nothing_by_asking(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    made = devices(fleet, 4)
    rollout_id = fleet.rollout(version_id, *made, waves=[50, 100], fail_percent=40, fail_least=2)
    has(fleet, rollout_id, sent=2, waiting=2)
    begun = [each for each in made if each.device_id in sent(fleet, rollout_id)]
    for each in begun:
        with fleet.connected(each) as device:
            told(device)
            device.report({"method": "otaUpgrade", "params": {"ota_result": 3}}, "command/reply/1000")
    reaches(fleet, rollout_id, state="paused", pause_code="too_many_failed")
    with fleet.connected(begun[0]) as device:
        assert "url" not in check(device)
    items = fleet.api.call("GET", f"/ota_rollout/{rollout_id}/devices", params={"state": "failed"})["items"]
    assert [(item["code"], item["detail"]) for item in items] == [("reply", '{"ota_result":3}')] * 2
    fleet.api.call("POST", f"/ota_rollout/{rollout_id}/resume")  # these two are excused
    reaches(fleet, rollout_id, state="paused", pause_code="wave_unverified")
    fleet.api.call("POST", f"/ota_rollout/{rollout_id}/resume")
    has(fleet, rollout_id, failed=2, sent=2)
    verify(fleet, made)  # also those that had failed
    reaches(fleet, rollout_id, state="done")
    assert counts(fleet, rollout_id) == {"verified": 4}


def test_devices_that_it_is_not_for_are_skipped_with_the_reason(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    old, new, unknown, other = fleet.device(), fleet.device(), fleet.device(), Fleet(fleet.running).device()
    report(fleet, old, "1.0")
    report(fleet, new, "1.1")
    rollout_id = fleet.rollout(version_id, old, new, unknown, other, **FULL)
    has(fleet, rollout_id, sent=1, skipped=3)
    items = fleet.api.call("GET", f"/ota_rollout/{rollout_id}/devices", params={"state": "skipped"})["items"]
    assert {item["device"]: item["code"] for item in items} == {
        new.device_id: "not_newer",
        unknown.device_id: "version_unknown",
        other.device_id: "not_of_version",
    }


def test_a_rollout_is_started_paused_resumed_and_ended(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    made = devices(fleet, 2)
    rollout_id = fleet.rollout(version_id, *made, waves=[1, 100], start=False)
    reaches(fleet, rollout_id, state="created", total=2)
    path = f"/ota_rollout/{rollout_id}"
    for verb in ("pause", "resume"):
        assert fleet.answer("POST", f"{path}/{verb}")["code"] == "ota_rollout_state"
    assert fleet.api.call("POST", f"{path}/start")["state"] == "running"
    has(fleet, rollout_id, sent=1, waiting=1)
    assert fleet.api.call("POST", f"{path}/pause")["pause_code"] == "person"
    assert fleet.answer("DELETE", path)["code"] == "ota_rollout_open"
    assert fleet.answer("DELETE", f"/ota_version/{version_id}")["code"] == "ota_rollout_open"
    assert fleet.api.call("POST", f"{path}/resume")["state"] == "running"
    assert fleet.api.call("POST", f"{path}/end")["state"] == "ended"
    assert counts(fleet, rollout_id) == {"sent": 1, "cancelled": 1}
    assert fleet.answer("POST", f"{path}/end")["code"] == "ota_rollout_state"
    listed = fleet.api.call("GET", "/ota_rollouts", params={"ota_version": version_id, "state": "ended"})
    assert [item["id"] for item in listed["items"]] == [rollout_id]
    fleet.api.call("DELETE", path)
    assert fleet.answer("GET", path)["code"] == "no_such_ota_rollout"
    fleet.api.call("DELETE", f"/ota_version/{version_id}")


def test_devices_are_chosen_by_a_filter_with_their_number(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    made = devices(fleet, 2)
    fleet.api.call("PUT", f"/device/{made[0].device_id}/tags", json={"tags": {"site": "north"}})
    chosen = {"filter": {"type": fleet.type_id, "tag": ["site:north"]}, "total": 2, **FULL}
    refused = fleet.answer("POST", f"/ota_version/{version_id}/rollout", json=chosen)
    assert (refused["code"], refused["info"]) == ("selection_changed", {"total": 1})
    rollout_id = fleet.api.call("POST", f"/ota_version/{version_id}/rollout", json=chosen | {"total": 1})["id"]
    eventually(lambda: sent(fleet, rollout_id) == {made[0].device_id})


def test_a_device_that_downloads_already_is_not_told_again(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    (certificate,) = devices(fleet, 1)
    with fleet.connected(certificate) as device:
        fetch(check(device)["url"], Range="bytes=0-9")
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "downloading")
        rollout_id = fleet.rollout(version_id, certificate, **FULL)
        has(fleet, rollout_id, downloading=1)
        assert device.received.empty() or device.received.queue[0][0] != "command/send/1000"
        device.report({"version": "1.1"})
        reaches(fleet, rollout_id, state="done")


def test_a_removed_device_leaves_its_rollout(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    made = devices(fleet, 2)
    rollout_id = fleet.rollout(version_id, *made, **FULL)
    has(fleet, rollout_id, sent=2)
    fleet.api.call("DELETE", f"/device/{made[0].device_id}")
    has(fleet, rollout_id, sent=1)
    with ExitStack() as stack:
        device = stack.enter_context(fleet.connected(made[1]))
        told(device)
        device.report({"version": "1.1"})
    reaches(fleet, rollout_id, state="done")
