"""The path of a task: from its planned instant over the store to a device on MQTT."""

import json
import time
from typing import Any

from tests.mqtt_device import TIMEOUT_S
from tests.running import Running, eventually

ACTIONS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "push": ({"push": {"lamp": True}}, "attributes/push", {"lamp": True}),
    "command": (
        {"command": {"method": "light", "params": {"level": 3}}},
        "command/send/1000",
        {"method": "light", "params": {"level": 3}, "id": 1000},
    ),
    "data": ({"data": {"identifier": "s", "body": {"on": 1}}}, "data/s/set", {"on": 1}),
    "function": (
        {
            "function": "module.exports = function () { return {type: 'json', msg: {on: 2}} }",
            "result": "data",
            "identifier": "f",
        },
        "data/f/set",
        {"on": 2},
    ),
}


def test_planned_runs_reach_a_connected_device_and_say_so(running: Running) -> None:
    at = round(time.time() * 1000) + 4_000
    made = {}
    for kind, (action, topic, _) in ACTIONS.items():
        body = {"name": kind, "schedule": {"at": at}, "devices": [running.device_id], "action": action}
        made[topic] = f"/task/{running.api.call('POST', '/task', json=body)['id']}"
    with running.device() as device:
        received = dict(device.received.get(timeout=TIMEOUT_S) for _ in ACTIONS)  # in any order
        assert {topic: json.loads(payload) for topic, payload in received.items()} == {
            topic: message for _, topic, message in ACTIONS.values()
        }
        for topic, path in made.items():
            eventually(lambda path=path: (running.api.call("GET", path)["last_run"] or {}).get("state") == "done")  # type: ignore[misc]
            task = running.api.call("GET", path)
            run = task["last_run"]
            assert (task["state"], run["trigger"], run["planned_at"], run["done"]) == ("ended", "schedule", at, 1)
            (result,) = running.api.call("GET", f"{path}/run/{run['id']}/results")["items"]
            assert (result["device_id"], result["name"], result["result"]) == (running.device_id, "pump", "done")
            assert bool(result["command"]) is topic.startswith("command/")
    assert running.server.stop() == 0
