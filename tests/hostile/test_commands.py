"""An application that fills one device's queue of commands costs that device alone."""

import json
import urllib.error
import urllib.request
from typing import Any

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand
from tests.project_api import Certificate
from tests.raw_device import RawDevice, publish_packet

PARAMS = {"x": [{"a": number} for number in range(20_000)]}  # about 230 kB as JSON, less than the limit
TOO_LARGE = {"x": [{"a": number} for number in range(75_000)]}
REPLY = json.dumps({"method": "nothing", "params": {}, "id": 77}).encode()


def send(target: Target, params: Any) -> int:
    """The errcode of a command that may wait; 0: it was taken."""
    _, access_token, project_key = target.device
    request = urllib.request.Request(
        f"http://127.0.0.1:{target.http_port}/app/device/v1/{access_token}/command/send",
        json.dumps({"method": "m", "params": params, "wait_ms": 604_800_000}).encode(),
        {"Project-Key": project_key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(json.load(answer).get("errcode", 0))


def fill_the_queue(target: Target) -> dict[str, int]:
    """Sends large commands to an offline device, replies to none of them, and connects again and again."""
    errcodes: dict[str, int] = {"too large": send(target, TOO_LARGE)}
    while send(target, PARAMS) == 0 and sum(errcodes.values()) < 1_000:  # until the queue is full
        errcodes["0"] = errcodes.get("0", 0) + 1
    for number in target.until_over():
        errcode = str(send(target, PARAMS))
        errcodes[errcode] = errcodes.get(errcode, 0) + 1
        if number % 10 == 9:
            with RawDevice(target.mqtt_port, Certificate(*target.device)) as device:
                device.send(b"".join(publish_packet(n, REPLY, f"command/reply/{n}") for n in range(1, 6)))
                for _ in range(5):
                    device.receive_packet()
    return errcodes


def test_a_device_whose_commands_wait_in_masses_holds_nobody_up(stand: Stand) -> None:
    outcome = stand.withstand(fill_the_queue)
    outcome.check()
    errcodes = outcome.attack[0]
    assert errcodes["too large"] == 400
    assert errcodes.get("409", 0) > 0
