"""Devices that are filled with events and removed, again and again, cost themselves alone."""

import json
import urllib.request
from typing import Any

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand
from tests.project_api import Certificate
from tests.raw_device import RawDevice, publish_packet

EVENT = json.dumps({"method": "noise", "params": {"text": "x" * 200}}).encode()
WINDOW = 100  # events on their way at once
ROUND = 8_000  # events of a device before it is removed


def call(target: Target, method: str, path: str, body: Any = None) -> Any:
    """``info`` of an answer of the Project API."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{target.http_port}/api/v1/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {target.token}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["info"]


def fill_and_remove(target: Target) -> dict[str, int]:
    """Creates a device, sends events until the round is over, and removes it; how many events, and how many devices."""
    events = removed = 0
    for _ in target.until_over():
        device_id = call(target, "POST", "device", {"name": "noise"})["id"]
        keys = call(target, "GET", f"device/{device_id}/certificate")
        with RawDevice(target.mqtt_port, Certificate(device_id, keys["access_token"], keys["project_key"])) as device:
            for _ in range(ROUND // WINDOW):
                device.send(b"".join(publish_packet(n, EVENT, f"event/report/{n}") for n in range(1, WINDOW + 1)))
                for _ in range(WINDOW):
                    device.receive_packet()
                events += WINDOW
        call(target, "DELETE", f"device/{device_id}")
        removed += 1
    return {"events": events, "removed": removed}


def test_removing_devices_with_thousands_of_events_holds_nobody_up(stand: Stand) -> None:
    outcome = stand.withstand(fill_and_remove)
    outcome.check()
    assert outcome.attack[0]["removed"] > 0
