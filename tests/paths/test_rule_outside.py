"""The path of a message rule to addresses outside: over HTTP and MQTT, repeated under one id, also after a kill."""

import hashlib
import hmac
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.paths.outside import Outside, outside
from tests.paths.rules import add_rule, effects, outcomes
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import StartServer
from tests.services.outbound.brokers import free_port, mosquitto


@pytest.fixture
def receiver() -> Iterator[Outside]:
    with outside() as receiver:
        yield receiver


def counted(number: int) -> Any:
    return {"method": "counted", "params": {"n": number}, "id": number}


def effect(api: ProjectApi, rule_id: str) -> Any:
    """The newest effect of a rule; ``{}``: it has none yet."""
    items = api.call("GET", f"/message_rule/{rule_id}/trace")["items"]
    return next((each for item in items for each in item["effects"]), {"outcome": ""})


def test_a_report_is_posted_signed_and_the_trace_says_so(running: Running, receiver: Outside) -> None:
    rule_id = add_rule(running, {"url": f"{receiver.url}/hook?a=1", "secret": "s3cret"})
    with running.device() as device:
        device.report({"t": 31, "name": "窗"})
    eventually(lambda: effect(running.api, rule_id)["outcome"] == "delivered")
    [posted] = receiver.posted
    assert posted.path == "/hook?a=1"
    assert posted.json.keys() == {"device", "attributes", "ts"}
    assert posted.json["attributes"] == {"t": 31, "name": "窗"}
    assert posted.json["device"]["id"] == running.device_id
    assert posted.id == effect(running.api, rule_id)["id"]
    signed = posted.headers["x-thingstead-timestamp"].encode() + b"." + posted.body
    expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert posted.headers["x-thingstead-signature"] == f"sha256={expected}"
    assert posted.headers["x-thingstead-kind"] == "attributes"


def test_events_and_custom_data_are_posted_as_they_came(running: Running, receiver: Outside) -> None:
    add_rule(running, {"url": f"{receiver.url}/event"}, on="event")
    add_rule(running, {"url": f"{receiver.url}/data"}, on="data")
    with running.device() as device:
        device.report({"method": "opened", "params": {"by": "guest"}}, "event/report/1")
        device.publish_bytes("data/stream", b"\xff\x00")
    eventually(lambda: len(receiver.accepted("/event")) == len(receiver.accepted("/data")) == 1)
    event = receiver.accepted("/event")[0].json["event"]
    assert (event["method"], event["params"]) == ("opened", {"by": "guest"})
    assert event["id"]
    assert receiver.accepted("/data")[0].json["data"] == {"identifier": "stream", "type": "hex", "msg": "ff00"}


def test_a_failure_that_may_pass_is_repeated_under_the_same_id(running: Running, receiver: Outside) -> None:
    receiver.statuses = [503, 401]
    rule_id = add_rule(running, {"url": receiver.url + "/"}, on="event")
    with running.device() as device:
        for number in range(3):
            device.report(counted(number), "event/report/1")
    eventually(lambda: len(receiver.accepted()) == 3)
    assert [each.json["event"]["params"]["n"] for each in receiver.accepted()] == [0, 1, 2]
    assert len({each.id for each in receiver.posted[:3]}) == 1
    assert len({each.id for each in receiver.posted}) == 3
    eventually(lambda: effect(running.api, rule_id)["outcome"] == "delivered")


def test_a_message_that_is_refused_for_good_holds_nothing_back(running: Running, receiver: Outside) -> None:
    receiver.statuses = [422]
    rule_id = add_rule(running, {"url": receiver.url + "/"}, on="event")
    with running.device() as device:
        for number in range(2):
            device.report(counted(number), "event/report/1")
    eventually(lambda: len(receiver.accepted()) == 1)
    eventually(lambda: outcomes(running.api, rule_id).get("undelivered") == 1)
    found = running.api.call("GET", f"/message_rule/{rule_id}/trace")["items"]
    said = {each["outcome"]: each for item in found for each in item["effects"]}
    assert said["undelivered"]["code"] == "notice_http_status"
    assert said["undelivered"]["args"] == {"status": 422}


def test_a_corrected_address_is_used_at_once_for_what_waits(running: Running, receiver: Outside) -> None:
    rule_id = add_rule(running, {"url": f"http://127.0.0.1:{free_port()}/"}, on="event")
    with running.device() as device:
        device.report(counted(1), "event/report/1")
    eventually(lambda: effect(running.api, rule_id)["outcome"] == "retrying")
    assert effect(running.api, rule_id)["code"] == "notice_unreachable"
    running.api.call("PUT", f"/message_rule/{rule_id}", json={"actions": [{"url": receiver.url + "/"}]})
    eventually(lambda: len(receiver.accepted()) == 1)


def test_every_message_arrives_after_a_kill_and_repeated_ones_have_their_id(
    running: Running, receiver: Outside, start_server: StartServer
) -> None:
    rule_id = add_rule(running, {"url": receiver.url + "/"}, on="event")
    receiver.hold.clear()
    with running.device() as device:
        for number in range(20):
            device.report(counted(number), "event/report/1")
    eventually(lambda: len(receiver.posted) >= 1)
    expected = effects(running.api, rule_id)
    assert 10 <= expected <= 20  # the rate of one device
    running.server.kill()
    receiver.hold.set()
    server = start_server()
    numbers: dict[str, int] = {}

    def all_arrived() -> bool:
        numbers.update({each.id: each.json["event"]["params"]["n"] for each in list(receiver.posted)})
        return len(set(numbers.values())) >= expected

    with ProjectApi(server.url, running.credentials):
        eventually(all_arrived)
    assert len(numbers) == len(set(numbers.values())) == expected


def test_a_delayed_message_is_posted_as_it_was_after_a_kill(
    running: Running, receiver: Outside, start_server: StartServer
) -> None:
    rule_id = add_rule(running, {"url": receiver.url + "/", "delay_ms": 1_000}, {"url": receiver.url + "/now"})
    with running.device() as device:
        device.report({"t": 31})
        device.report({"t": 32})
    eventually(lambda: len(receiver.accepted("/now")) == 2)
    running.server.kill()
    server = start_server()
    eventually(lambda: len(receiver.accepted("/")) == 2)
    assert [each.json["attributes"]["t"] for each in receiver.accepted("/")] == [31, 32]
    with ProjectApi(server.url, running.credentials) as api:
        eventually(lambda: effects(api, rule_id) == 4)


def test_secrets_are_never_shown_and_stay_when_their_mask_comes_back(running: Running, receiver: Outside) -> None:
    broker = {"url": "mqtts://broker.example", "topic": "t", "user_name": "u", "password": "hidden-word"}
    actions = [{"url": receiver.url + "/", "secret": "hidden-word"}, {"mqtt": broker}]
    rule_id = add_rule(running, *actions)
    path = f"/message_rule/{rule_id}"
    shown = running.api.call("GET", path)["actions"]
    assert (shown[0]["secret"], shown[1]["mqtt"]["password"]) == ("***", "***")
    running.api.call("PUT", path, json={"name": "x", "actions": shown[:1]})
    with running.device() as device:
        device.report({"t": 31})
    eventually(lambda: len(receiver.accepted()) == 1)
    assert "x-thingstead-signature" in receiver.posted[0].headers
    moved = [{"url": receiver.url + "/elsewhere", "secret": "***"}]
    refused = running.api.answer("PUT", path, json={"actions": moved})
    assert refused["code"] == "hidden_secret_new"
    known = running.credentials
    admin = {"app_id": known.app_id, "account": known.admin_account, "password": known.admin_password}
    running.api.log_in_with(running.api.call("POST", "/admin_login", json=admin)["access_token"])
    logs = running.api.call("GET", "/audit_logs")
    assert "hidden-word" not in json.dumps(logs)
    assert "\\u2026" in json.dumps(logs)  # in its place


@pytest.mark.external("mosquitto", "mosquitto_sub")
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_message_is_published_to_a_broker_with_its_id(running: Running, tmp_path: Path, version: str) -> None:
    port = free_port()
    with mosquitto(tmp_path, port, "allow_anonymous true", "user root"):
        subscribe = ["mosquitto_sub", "-p", str(port), "-i", "reader", "-c", "-q", "1", "-t", "#"]
        subprocess.run([*subscribe, "-E"], check=True, timeout=30)
        endpoint = {
            "url": f"mqtt://127.0.0.1:{port}",
            "topic": "up/{kind}/{device_id}/{identifier}",
            "version": version,
        }
        rule_id = add_rule(running, {"mqtt": endpoint}, on="event")
        with running.device() as device:
            device.report(counted(7), "event/report/1")
        eventually(lambda: effect(running.api, rule_id)["outcome"] == "delivered")
        out = subprocess.run([*subscribe, "-v", "-C", "1"], check=True, capture_output=True, text=True, timeout=30)
    topic, _, body = out.stdout.strip().partition(" ")
    assert topic == f"up/event/{running.device_id}/counted"
    assert json.loads(body)["id"] == effect(running.api, rule_id)["id"]
    assert json.loads(body)["event"]["params"] == {"n": 7}
