"""Killed again and again, at any instant, under load of every kind: what was acknowledged is there, and once."""

import contextlib
import json
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.project_api import Certificate, ProjectApi
from tests.raw_device import RawDevice, packet, puback_packet, publish_2_packet, publish_packet, string
from tests.running import Running, eventually
from tests.server_process import ServerProcess, StartServer

ROUNDS = 4
WINDOW = 20
BEGINNING = 1_700_000_000_000  # of the timestamps that a device gives itself
CUT = (OSError, httpx.TransportError)  # how the end of the server shows


class Caller(ABC):
    """Somebody who does one thing after another, and notes what was acknowledged. Numbers go on over the rounds."""

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.next_number = 1
        self.acknowledged: list[int] = []

    def run(self, server: ServerProcess) -> None:
        """Returns when the server is gone."""
        with contextlib.suppress(*CUT):
            self.work(server)

    def numbers(self, count: int) -> list[int]:
        first = self.next_number
        self.next_number += count
        return list(range(first, self.next_number))

    @abstractmethod
    def work(self, server: ServerProcess) -> None: ...

    def verify(self, api: ProjectApi) -> None:
        """By default the numbers are the values of an attribute."""
        self.hold_against(api.series(self.certificate.device_id, "n"))
        if self.acknowledged:
            assert api.attributes(self.certificate.device_id)["n"] >= self.acknowledged[-1]

    def hold_against(self, kept: list[int]) -> None:
        assert set(self.acknowledged) <= set(kept), "something acknowledged is gone"
        assert len(kept) == len(set(kept)), "something is there twice"


class Reporter(Caller):
    """QoS 1: PUBACK."""

    def work(self, server: ServerProcess) -> None:
        with RawDevice(server.mqtt_port, self.certificate) as device:
            while numbers := self.numbers(WINDOW):
                device.send(b"".join(publish_packet(1 + n % 60_000, b'{"n":%d}' % n) for n in numbers))
                for number in numbers:
                    assert device.receive_packet() == puback_packet(1 + number % 60_000)
                    self.acknowledged.append(number)


class ExactReporter(Caller):
    """QoS 2: PUBREC, and PUBCOMP for its PUBREL."""

    def work(self, server: ServerProcess) -> None:
        with RawDevice(server.mqtt_port, self.certificate) as device:
            while True:
                for number in self.numbers(1):
                    device.send(publish_2_packet(1 + number % 60_000, b'{"n":%d}' % number))
                    packet_id = (1 + number % 60_000).to_bytes(2, "big")
                    assert device.receive_packet() == b"\x50\x02" + packet_id
                    self.acknowledged.append(number)
                    device.send(b"\x62\x02" + packet_id)
                    assert device.receive_packet() == b"\x70\x02" + packet_id


class HttpReporter(Caller):
    """HTTP 200; and what was acknowledged is read at once."""

    def work(self, server: ServerProcess) -> None:
        url = f"{server.url}/device/v1/{self.certificate.access_token}/attributes"
        with httpx.Client(headers={"Project-Key": self.certificate.project_key}, timeout=20) as client:
            while True:
                for number in self.numbers(1):
                    assert client.post(url, json={"n": number}).json() == {"result": 1}
                    self.acknowledged.append(number)
                    assert client.get(url).json()["attributes"]["n"] == number


class EventReporter(Caller):
    """Events, as QoS 1 messages."""

    def work(self, server: ServerProcess) -> None:
        with RawDevice(server.mqtt_port, self.certificate) as device:
            while numbers := self.numbers(WINDOW):
                for n in numbers:
                    body = b'{"method":"counted","params":{"n":%d}}' % n
                    device.send(publish_packet(1 + n % 60_000, body, f"event/report/{n}"))
                for number in numbers:
                    assert device.receive_packet() == puback_packet(1 + number % 60_000)
                    self.acknowledged.append(number)

    def verify(self, api: ProjectApi) -> None:
        path = f"/device/{self.certificate.device_id}/event_logs"
        self.hold_against([item["params"]["n"] for item in every(api, path)])


class Resender(Caller):
    """Gives its own timestamps, and sends again what was not acknowledged, and some of what was."""

    def work(self, server: ServerProcess) -> None:
        with RawDevice(server.mqtt_port, self.certificate) as device:
            self.next_number = max(1, len(self.acknowledged) - WINDOW)
            while numbers := self.numbers(WINDOW):
                for n in numbers:
                    body = json.dumps({"ts": BEGINNING + n, "attributes": {"n": n}}).encode()
                    device.send(publish_packet(1 + n % 60_000, body, "attributes/series"))
                for number in numbers:
                    assert device.receive_packet() == puback_packet(1 + number % 60_000)
                    if number > len(self.acknowledged):
                        self.acknowledged.append(number)


class Operator(Caller):
    """Sends commands to a device that answers them: issued when the API says so, replied at the PUBACK of the reply."""

    def __init__(self, certificate: Certificate, running: Running) -> None:
        super().__init__(certificate)
        self.credentials = running.credentials
        self.issued: list[int] = []

    def work(self, server: ServerProcess) -> None:
        path = f"/control/device/{self.certificate.device_id}/command"
        with ProjectApi(server.url, self.credentials) as api, RawDevice(server.mqtt_port, self.certificate) as device:
            device.send(packet(0x82, b"\0\x01" + string("command/send/+") + b"\x00"))
            assert device.receive_packet() == b"\x90\x03\x00\x01\x00"
            while True:
                for number in self.numbers(1):
                    api.call("POST", path, json={"method": "count", "id": number, "wait_ms": 600_000})
                    self.issued.append(number)
                    while f"command/send/{number}".encode() not in device.receive_packet():
                        pass  # what the last life of the server left comes first
                    reply = b'{"method":"count","params":{}}'
                    device.send(publish_packet(1 + number % 60_000, reply, f"command/reply/{number}"))
                    assert device.receive_packet() == puback_packet(1 + number % 60_000)
                    self.acknowledged.append(number)

    def verify(self, api: ProjectApi) -> None:
        commands = list(every(api, f"/device/{self.certificate.device_id}/command_logs"))
        assert set(self.issued) <= {item["command_id"] for item in commands}
        self.hold_against([item["command_id"] for item in commands if item["state"] == "replied"])


def every(api: ProjectApi, path: str) -> Iterator[dict[str, Any]]:
    """All items of a list, page after page."""
    page = 1
    while items := api.call("GET", path, params={"page": page, "page_records": 100})["items"]:
        yield from items
        page += 1


@pytest.mark.timeout(240)
def test_whatever_was_acknowledged_is_there_once_although_the_server_is_killed_again_and_again(
    running: Running, start_server: StartServer, chance: random.Random
) -> None:
    kinds = (Reporter, ExactReporter, HttpReporter, EventReporter, Resender)
    callers: list[Caller] = [kind(running.api.create_device()) for kind in kinds]
    callers.append(Operator(running.api.create_device(), running))
    server = running.server
    for _ in range(ROUNDS):
        threads = [threading.Thread(target=caller.run, args=(server,)) for caller in callers]
        before = {caller: len(caller.acknowledged) for caller in callers}
        some = chance.randrange(5, 60)
        for thread in threads:
            thread.start()
        eventually(lambda: all(len(caller.acknowledged) >= before[caller] + some for caller in callers))  # noqa: B023
        server.kill()
        for thread in threads:
            thread.join()
        server = start_server()
        with ProjectApi(server.url, running.credentials) as api:
            for caller in callers:
                caller.verify(api)
