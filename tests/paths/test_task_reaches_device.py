"""The path of a task: from its planned instant over the store to a device on MQTT."""

import time
from typing import Any

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
        {"function": "module.exports = function () { return {method: 'ask', params: {}} }", "result": "command"},
        "command/send/1000",
        {"method": "ask", "params": {}, "id": 1000},
    ),
}


def test_a_planned_run_reaches_a_connected_device_and_says_so(running: Running) -> None:
    with running.device() as device:
        for kind, (action, topic, message) in ACTIONS.items():
            schedule = {"at": round(time.time() * 1000) + 300}
            body = {"name": kind, "schedule": schedule, "devices": [running.device_id], "action": action}
            task_id = running.api.call("POST", "/task", json=body)["id"]

            assert device.next(topic) == message

            path = f"/task/{task_id}"
            eventually(lambda path=path: running.api.call("GET", path)["state"] == "ended")  # type: ignore[misc]
            eventually(lambda path=path: running.api.call("GET", path)["last_run"]["state"] == "done")  # type: ignore[misc]
            run = running.api.call("GET", path)["last_run"]
            assert (run["trigger"], run["planned_at"], run["done"]) == ("schedule", schedule["at"], 1)
            (result,) = running.api.call("GET", f"{path}/run/{run['id']}/results")["items"]
            assert (result["device_id"], result["name"], result["result"]) == (running.device_id, "pump", "done")
            assert bool(result["command"]) is topic.startswith("command/")
    assert running.server.stop() == 0
