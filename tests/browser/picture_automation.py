"""Automation for the pictures: a message rule, a task, a forwarding target, a rollout of firmware, a Modbus device."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.mqtt_device import MqttDevice
from tests.project_api import ProjectApi
from tests.running import eventually

VERSION, BEFORE = "2.4.2", "2.4.1"
WORDS = {
    "en": ("Fan on above 26 °C", "Fans on before sunset", "ERP", "Autumn release", "Power meter", "Meter 1"),
    "zh": ("高于 26 °C 时开风机", "日落前开风机", "ERP 系统", "秋季版本", "电表", "电表 1"),
}


class Receiver(BaseHTTPRequestHandler):
    """Accepts what is forwarded."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def receiver() -> Iterator[str]:
    """Runs on this machine; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/thingstead"
        finally:
            server.shutdown()
            thread.join()


def pages(ids: dict[str, str]) -> dict[str, str]:
    """The address of each picture's page."""
    return {
        "message-rule": f"/message-rules/{ids['message_rule']}",
        "task": f"/tasks/{ids['task']}",
        "rollout": f"/ota/rollouts/{ids['rollout']}",
        "forwarding": f"/forwarding/{ids['target']}",
        "modbus": f"/types/{ids['meter_type']}/modbus",
        "device-automation": f"/devices/{ids['device']}/automation",
    }


def fetched(device: MqttDevice, **headers: str) -> None:
    """Downloads the firmware, or a part of it, by the link that the device is told."""
    link = device.next("command/send/1000")["params"]["url"]
    httpx.get(link, headers=headers, trust_env=False).raise_for_status()


class Automation:
    """Sets everything up while devices are connected.

    Args:
        connected: the connections of devices of the type, by their ids.
        stack: ends what is started.
    """

    def __init__(
        self, api: ProjectApi, type_id: str, connected: dict[str, MqttDevice], language: str, stack: ExitStack
    ) -> None:
        self._api = api
        self._type_id = type_id
        self._connected = connected
        self._words = WORDS[language]
        self._stack = stack

    def made(self) -> dict[str, str]:
        """Ids by what they are."""
        ids = {"target": self._target(), "message_rule": self._rule(), "task": self._task(), "rollout": self._rollout()}
        return {**ids, "meter_type": self._meter()}

    def _created(self, path: str, **members: Any) -> str:
        return str(self._api.call("POST", path, json=members)["id"])

    def _wait(self, path: str, holds: Callable[[Any], bool]) -> None:
        eventually(lambda: holds(self._api.call("GET", path)))

    def _target(self) -> str:
        url = {"url": self._stack.enter_context(receiver())}
        return self._created("/forward_target", name=self._words[2], kinds=["attributes", "event", "alarm"], url=url)

    def _rule(self) -> str:
        over = {"attribute": "temperature", "op": ">", "value": 26}
        actions = [{"push": {"fan": True}}, {"push": {"fan": False}, "delay_ms": 600_000}]
        rule = {"name": self._words[0], "on": "after_report", "type": self._type_id, "if": over, "actions": actions}
        rule_id = self._created("/message_rule", **rule)
        for number, device in enumerate(self._connected.values()):
            device.report({"temperature": 22.5 + number % 4 * 1.5, "humidity": 58 + number})
        for device in list(self._connected.values())[3::4]:
            device.next("attributes/push")
        return rule_id

    def _task(self) -> str:
        schedule = {"sun": "sunset", "offset_ms": -900_000, "latitude": 52.5, "longitude": 13.4}
        what = {"filter": {"type": self._type_id}, "action": {"push": {"fan": True}}}
        task_id = self._created("/task", name=self._words[1], schedule=schedule, **what)
        self._api.call("POST", f"/task/{task_id}/run", json={})
        for device in self._connected.values():
            device.next("attributes/push")
        return task_id

    def _rollout(self) -> str:
        for device in self._connected.values():
            device.report({"version": BEFORE})
        version = {"name": self._words[3], "version_name": VERSION, "types": [self._type_id]}
        version_id = self._created("/ota_version", **version)
        self._api.call("PUT", f"/ota_version/{version_id}/file", content=b"firmware" * 40_000)
        chosen = {"devices": list(self._connected), "waves": [60, 100], "advance_percent": 90, "fail_percent": 30}
        rollout_id = self._created(f"/ota_version/{version_id}/rollout", **chosen)
        self._wait(f"/ota_rollout/{rollout_id}", lambda found: found["counts"].get("sent") == 7)
        upgrades = self._api.call("GET", f"/ota_rollout/{rollout_id}/devices")["items"]
        *working, slow, failing = [self._connected[one["device"]] for one in upgrades if one["state"] == "sent"]
        for device in working:
            fetched(device)
            device.report({"version": VERSION})
        fetched(slow, Range="bytes=0-199999")
        failing.report({"method": "otaUpgrade", "params": {"ota_dl_result": 4}}, "command/reply/1000")
        wanted = {"verified": len(working), "downloading": 1, "failed": 1}
        self._wait(f"/ota_rollout/{rollout_id}", lambda found: wanted.items() <= found["counts"].items())
        return rollout_id

    def _meter(self) -> str:
        streams = [{"identifier": "stream", "format": "hex"}]
        type_id = self._created("/device_type", name=self._words[4], functions={"streams": streams})
        kinds = ("voltage", "uint16", 0.1), ("current", "uint16", 0.01), ("energy", "uint32", 0.01)
        registers = [
            {"attribute": name, "address": address, "type": kind, "scale": scale, "order": "CDAB"}
            for address, (name, kind, scale) in enumerate(kinds)
        ]
        group = {"unit_id": 1, "function": 3, "address": 0, "count": 4, "interval_ms": 10_000, "registers": registers}
        table = {"streams": [{"identifier": "stream", "framing": "rtu", "groups": [group]}]}
        self._api.call("PUT", f"/device_type/{type_id}/modbus", json=table)
        self._api.create_device(name=self._words[5], type=type_id)
        return type_id
