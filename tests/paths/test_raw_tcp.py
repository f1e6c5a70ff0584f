"""Devices on raw TCP, over a server of its own process: bytes up, bytes down, and who is online."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.paths.rules import add_rule, outcomes, push
from tests.project_api import Certificate, ProjectApi
from tests.running import Running, eventually
from tests.server_process import ServerProcess, StartServer

TIMEOUT_S = 30


@pytest.fixture
def certificate(running: Running) -> Certificate:
    """A device whose type binds a stream to TCP."""
    functions = {"streams": [{"identifier": "stream", "format": "hex", "tcp": True}]}
    created = running.api.call("POST", "/device_type", json={"name": "DTU", "functions": functions})
    return running.api.create_device(type=created["id"])


@contextmanager
def registered(server: ServerProcess, certificate: Certificate) -> Iterator[socket.socket]:
    """A connection that has sent its registration packet."""
    with socket.create_connection(("127.0.0.1", server.ports["tcp_port"]), timeout=TIMEOUT_S) as sock:
        sock.sendall(f"{certificate.project_key}&{certificate.access_token}\r\n".encode())
        yield sock


def received(running: Running, certificate: Certificate) -> list[str]:
    """What came up, newest first, as the device's log of custom data shows it."""
    logs = running.api.call("GET", f"/device/{certificate.device_id}/data_logs")["items"]
    return [item["payload"] for item in logs if item["direction"] == "up"]


def test_bytes_go_up_and_down_and_the_connection_is_presence(running: Running, certificate: Certificate) -> None:
    device = f"/device/{certificate.device_id}"
    with registered(running.server, certificate) as sock:
        eventually(lambda: running.api.call("GET", device)["online"])
        sock.sendall(b"\x01\x03\x00\xff")
        eventually(lambda: received(running, certificate) == ["hex:010300ff"])
        body = {"type": "hex", "msg": "0103020019"}
        running.api.call("POST", f"/control{device}/data/stream", json=body)
        assert sock.recv(100) == bytes.fromhex("0103020019")
    eventually(lambda: not running.api.call("GET", device)["online"])


def test_a_restarted_server_takes_the_device_again(
    running: Running, certificate: Certificate, start_server: StartServer
) -> None:
    with registered(running.server, certificate) as sock:
        eventually(lambda: running.api.call("GET", f"/device/{certificate.device_id}")["online"])
        running.server.kill()
        assert sock.recv(1) == b""
    server = start_server()
    with registered(server, certificate) as sock, ProjectApi(server.url, running.credentials) as api:
        eventually(lambda: api.call("GET", f"/device/{certificate.device_id}")["online"])
        sock.sendall(b"x")
        logs = f"/device/{certificate.device_id}/data_logs"
        eventually(lambda: [item["payload"] for item in api.call("GET", logs)["items"]] == ["x"])


def test_a_function_makes_bytes_of_a_push_and_attributes_of_bytes(running: Running, certificate: Certificate) -> None:
    """A Modbus module behind a serial server: a push becomes a request, its answer attributes."""
    ask = "Cloud.ModbusRTU.setUnitId(2); return {type: 'hex', msg: Cloud.ModbusRTU.writeSingleRegister(a.at, a.value)}"
    read = "return Cloud.validateCrc16Modbus(data) ? {level: data.readUInt16BE(3), unit: data[0]} : null"
    devices = [certificate.device_id]
    add_rule(running, {"function": f"module.exports = (a) => {{ {ask} }}"}, on="before_push", devices=devices)
    rule_id = add_rule(
        running, {"function": f"module.exports = (name, data) => {{ {read} }}"}, on="data", devices=devices
    )
    with registered(running.server, certificate) as sock:
        eventually(lambda: running.api.call("GET", f"/device/{certificate.device_id}")["online"])
        push(running, {"at": 1, "value": 25}, certificate.device_id)
        assert sock.recv(100) == bytes.fromhex("02060001001919f3")
        sock.sendall(bytes.fromhex("0103020019798e"))
        stored = {"at": 1, "value": 25, "level": 25, "unit": 1}
        eventually(lambda: running.api.attributes(certificate.device_id) == stored)
        sock.sendall(bytes.fromhex("01030200ff0000"))  # a wrong CRC: nothing
        eventually(lambda: outcomes(running.api, rule_id) == {"acted": 1, "empty": 1})
