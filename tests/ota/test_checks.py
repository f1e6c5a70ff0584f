"""A device asks whether there is a newer version (``otaCheck``, wire reference §11.4)."""

from contextlib import ExitStack
from functools import partial

import pytest

from tests.ota.fleet import FIRMWARE, Fleet, check, digests, fetch, size_of
from tests.running import eventually


def counted(fleet: Fleet, device_id: str, downloads: int) -> bool:
    return bool(fleet.upgrades(device_id)[0]["downloads"] == downloads)


NONE = {"module": "main", "upgrade": False}


def test_a_device_that_asks_gets_the_newest_version_and_is_verified_by_the_version_that_it_reports(
    fleet: Fleet,
) -> None:
    fleet.version("1.9")
    newest = fleet.version("1.10")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.2"})
        offered = check(device)
        url = offered.pop("url")
        assert offered == {
            "module": "main",
            "upgrade": True,
            "version": "1.10",
            "size": len(FIRMWARE),
            "md5": digests(FIRMWARE)["md5"],
        }
        assert url.startswith("http://")
        assert size_of(offered | {"url": url}) < 400
        assert fetch(url).content == FIRMWARE
        device.report({"version": "1.10"})
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "verified")
        assert check(device) == NONE
    (upgrade,) = fleet.upgrades(certificate.device_id)
    assert (upgrade["ota_version"], upgrade["rollout"], upgrade["from_version"]) == (newest, "", "1.2")
    assert (upgrade["bytes_served"], upgrade["downloads"]) == (len(FIRMWARE), 1)


def test_an_answer_without_an_upgrade_has_no_url(fleet: Fleet) -> None:
    fleet.version("1.1.0")
    with fleet.connected(fleet.device()) as device:
        for version in ("1.1.0", "v1.1", "1.2", "2"):
            device.report({"version": version})
            assert check(device) == NONE, version
        device.report({"version": 1})
        assert check(device)["version"] == "1.1.0"


def test_from_versions_narrow_and_name_what_cannot_be_compared(fleet: Fleet) -> None:
    fleet.version("2.0", from_versions=["1.5", "nightly"])
    with fleet.connected(fleet.device()) as device:
        assert check(device) == NONE  # its version is not known
        assert check(device, version="1.5")["upgrade"]  # it says so in the question
        for version, offered in (("1.4", False), ("1.5", True), ("nightly", True), ("weekly", False)):
            device.report({"version": version})
            assert check(device)["upgrade"] is offered, version


def test_modules_devices_and_disabled_versions_are_told_apart(fleet: Fleet) -> None:
    chosen, other = fleet.device(), fleet.device()
    fleet.version("1.1", module="spiffs")
    fleet.version("1.2", devices=[chosen.device_id])
    fleet.version("1.3", enabled=False)
    fleet.version("1.4", None)
    fleet.version("1.5", check_offers=False)
    with fleet.connected(chosen) as device:
        device.report({"version": "1.0"})
        assert check(device)["version"] == "1.2"
        assert check(device, module="spiffs")["version"] == "1.1"
    with fleet.connected(other) as device:
        device.report({"version": "1.0"})
        assert check(device, module="spiffs")["upgrade"]


def test_a_device_whose_project_has_nothing_for_it_gets_no_answer(fleet: Fleet) -> None:
    with fleet.connected(fleet.device()) as device:
        device.report({"method": "otaCheck", "params": {}}, "event/report/1")
        fleet.version("1.1")
        device.report({"version": "1.0"})
        assert check(device)["upgrade"]
        assert device.received.empty()


def test_a_rule_answers_in_place_of_the_server_also_that_there_is_nothing(fleet: Fleet) -> None:
    certificate = fleet.device()
    rule = {
        "name": "OTA", "on": "event", "type": fleet.type_id, "identifier": "otaCheck",
        "actions": [{"ota_check": {"attribute": "firmware"}}],
    }  # fmt: skip
    rule_id = fleet.api.call("POST", "/message_rule", json=rule)["id"]
    with fleet.connected(certificate) as device:
        device.report({"firmware": "1.0", "version": "9"})
        assert check(device) == NONE
        fleet.version("1.1")
        assert check(device)["version"] == "1.1"
        assert fleet.upgrades(certificate.device_id)[0]["state"] == "sent"
        assert device.received.empty()
    evaluation = fleet.api.call("GET", f"/message_rule/{rule_id}/trace")["items"][0]
    assert evaluation["effects"][0]["action"] == "ota_check"
    assert fleet.upgrades(certificate.device_id)[0]["cause"] == evaluation["message_id"]


def test_two_downloads_in_vain_end_the_offers_for_a_day(fleet: Fleet) -> None:
    fleet.version("1.1")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0"})
        for downloads in (1, 2):
            url = check(device)["url"]
            assert len(fetch(url).content) == len(FIRMWARE)
            eventually(partial(counted, fleet, certificate.device_id, downloads))
        assert check(device) == NONE
        assert check(device) == NONE
    (upgrade,) = fleet.upgrades(certificate.device_id)
    assert (upgrade["state"], upgrade["code"]) == ("failed", "version_unchanged")


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ({"method": "otaUpgrade", "params": {"ota_result": 0}, "id": 1000}, "finished"),
        ({"method": "otaFinished", "params": {"ota_result": 0.0}}, "finished"),
        ({"method": "otaFinished", "params": {}}, "finished"),
        ({"method": "otaUpgrade", "params": {"ota_dl_result": 4}}, "failed"),
        ({"method": "otaFinished", "params": {"ota_result": "3"}}, "failed"),
        ({"method": "otaUpgrade", "params": {"progress": 50}}, "sent"),
        ({"method": "otaUpgrade", "params": [1]}, "sent"),
    ],
)
def test_replies_are_a_log_and_the_version_decides(fleet: Fleet, reply: object, state: str) -> None:
    fleet.version("1.1")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0"})
        assert check(device)["upgrade"]
        device.report(reply, "command/reply/1000")
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == state)
        device.report({"version": "1.1"})
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "verified")


def test_a_pushed_version_is_none_that_the_device_runs(fleet: Fleet) -> None:
    fleet.version("1.1")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0"})
        assert check(device)["upgrade"]
        fleet.api.call("POST", f"/control/device/{certificate.device_id}/attributes", json={"version": "1.1"})
        assert check(device)["upgrade"]
    assert fleet.upgrades(certificate.device_id)[0]["state"] == "sent"


def test_a_question_in_another_form_is_answered_about_the_main_module(fleet: Fleet) -> None:
    fleet.version("1.1")
    with fleet.connected(fleet.device()) as device:
        for module in ({"a": 1}, "x" * 100_000, "a b", "", None, 7):
            assert check(device, module=module, version="1.0")["module"] == "main"
        for version in ("9" * 70, {"a": 1}, [1], True, "nightly"):
            assert check(device, version=version) == NONE


def test_a_version_can_be_recalled_when_its_type_is_gone(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    fleet.api.call("DELETE", f"/device_type/{fleet.type_id}")
    assert fleet.api.call("PUT", f"/ota_version/{version_id}", json={"enabled": False})["enabled"] is False
    refused = fleet.answer("PUT", f"/ota_version/{version_id}", json={"types": [fleet.type_id]})
    assert refused["errors"][0]["field"] == "types[0]"


def test_many_devices_that_ask_at_once_are_all_answered(fleet: Fleet) -> None:
    fleet.version("1.1")
    certificates = [fleet.device() for _ in range(20)]
    with ExitStack() as stack:
        devices = [stack.enter_context(fleet.connected(each)) for each in certificates]
        for device in devices:
            device.publish("event/report/1", {"method": "otaCheck", "params": {"version": "1.0"}})
        links = {device.next("command/send/1000")["params"]["url"] for device in devices}
    assert len(links) == len(certificates)
