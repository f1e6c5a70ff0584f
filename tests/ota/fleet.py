"""Devices of one type, versions for them, and what small HTTP clients do."""

import hashlib
import json
import socket
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi
from tests.running import Running

TIMEOUT_S = 30
FIRMWARE = bytes([0xE9]) + bytes(range(256)) * 600  # 153,601 bytes: three pieces; begins as images of ESP32 do
_numbers = count(1)


class Fleet:
    """A device type, its devices and its versions."""

    def __init__(self, running: Running, **type_members: Any) -> None:
        self.running = running
        self.api: ProjectApi = running.api
        name = f"type {next(_numbers)}"
        self.type_id = str(self.api.call("POST", "/device_type", json={"name": name, **type_members})["id"])

    def device(self, **members: Any) -> Certificate:
        return self.api.create_device(type=self.type_id, **members)

    def connected(self, certificate: Certificate) -> MqttDevice:
        """A connection, made by ``with``."""
        return MqttDevice(self.running.server.mqtt_port, certificate)

    def version(self, version_name: str = "1.1.0", content: bytes | None = FIRMWARE, **members: Any) -> str:
        """A new version for the type, with a file unless ``content`` is None."""
        body = {"name": version_name, "version_name": version_name, "types": [self.type_id], **members}
        version_id = str(self.api.call("POST", "/ota_version", json=body)["id"])
        if content is not None:
            self.upload(version_id, content)
        return version_id

    def upload(self, version_id: str, content: Any, **query: str) -> Any:
        answer = self.answer("PUT", f"/ota_version/{version_id}/file", content=content, params=query)
        return answer["info"] if answer["result"] is True else answer

    def answer(self, method: str, path: str, **request: Any) -> Any:
        return self.api.answer(method, path, **request)

    def upgrades(self, device_id: str) -> list[Any]:
        items: list[Any] = self.api.call("GET", f"/device/{device_id}/ota_upgrades")["items"]
        return items

    def rollout(self, version_id: str, *devices: Certificate, **members: Any) -> str:
        body = {"devices": [each.device_id for each in devices], **members}
        return str(self.api.call("POST", f"/ota_version/{version_id}/rollout", json=body)["id"])

    def read(self, rollout_id: str) -> Any:
        return self.api.call("GET", f"/ota_rollout/{rollout_id}")


def check(device: MqttDevice, **params: Any) -> Any:
    """The params of the answer to ``otaCheck``."""
    device.report({"method": "otaCheck", "params": params}, "event/report/1")
    command = device.next("command/send/1000")
    assert command["method"] == "otaUpgrade"
    return command["params"]


class RawAnswer(NamedTuple):
    """An HTTP response as it came."""

    status_line: bytes
    headers: dict[bytes, bytes]
    body: bytes


def exchange(url: str, request: str) -> RawAnswer:
    """Sends a request byte by byte as it is (with ``{path}`` and ``{host}``), and reads until the connection closes, or
    the length that was announced has come."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = request.replace("\n", "\r\n").format(path=target, host=parts.netloc)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=TIMEOUT_S) as sock:
        sock.sendall(sent.encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        pairs = [line.partition(b": ")[::2] for line in lines[1:]]
        headers = {name.lower(): value for name, value in pairs}
        length = 0 if request.startswith("HEAD") else int(headers[b"content-length"])
        while len(body) < length:
            piece = sock.recv(65_536)
            assert piece, "the connection was closed before the announced length"
            body += piece
    return RawAnswer(lines[0], headers, body)


def fetch(url: str, **headers: str) -> httpx.Response:
    """A download by a well-behaved client."""
    return httpx.get(url, headers=headers, timeout=TIMEOUT_S, trust_env=False)


def digests(content: bytes) -> dict[str, str]:
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }


def size_of(command: Any) -> int:
    """Bytes of a command on the wire."""
    return len(json.dumps(command, separators=(",", ":")))
