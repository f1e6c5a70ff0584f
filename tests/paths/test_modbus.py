"""The path of a Modbus device: a bus of pymodbus behind raw TCP and MQTT, polled and written by a server of its own
process, also after that was killed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from tests.project_api import Certificate, ProjectApi
from tests.running import Running, eventually
from tests.server_process import ServerProcess, StartServer

TIMEOUT_S = 30
TABLE = {
    "identifier": "stream",
    "groups": [
        {
            "unit_id": 1,
            "function": 3,
            "address": 0,
            "count": 4,
            "interval_ms": 500,
            "registers": [
                {"attribute": "temperature", "address": 0, "type": "int16", "scale": 0.1, "writable": True},
                {"attribute": "energy", "address": 2, "type": "uint32", "order": "CDAB", "scale": 0.01},
            ],
        }
    ],
}


class Unit:
    """A unit on the bus: answers requests with pymodbus."""

    def __init__(self) -> None:
        self.registers = [215, 0, 0xE240, 0x0001]
        self._framer = FramerRTU(DecodePDU(True))

    def answer(self, frame: bytes) -> bytes:
        _, request = self._framer.handleFrame(frame, 0, 0)
        if isinstance(request, WriteSingleRegisterRequest):
            [self.registers[request.address]] = request.registers
            made: Any = WriteSingleRegisterResponse(address=request.address, registers=request.registers, dev_id=1)
        else:
            assert isinstance(request, ReadHoldingRegistersRequest), frame
            found = self.registers[request.address : request.address + request.count]
            made = ReadHoldingRegistersResponse(registers=found, dev_id=1)
        return self._framer.buildFrame(made)


def device_of_type(running: Running) -> Certificate:
    functions = {"streams": [{"identifier": "stream", "format": "hex", "tcp": True}]}
    type_id = running.api.call("POST", "/device_type", json={"name": "Meter", "functions": functions})["id"]
    running.api.call("PUT", f"/device_type/{type_id}/modbus", json={"streams": [TABLE]})
    return running.api.create_device(type=type_id)


@contextmanager
def on_tcp(server: ServerProcess, certificate: Certificate, unit: Unit) -> Iterator[None]:
    """The unit behind a transparent module that is connected over raw TCP."""
    with socket.create_connection(("127.0.0.1", server.ports["tcp_port"]), timeout=TIMEOUT_S) as sock:
        sock.sendall(f"{certificate.project_key}&{certificate.access_token}".encode())

        def serve() -> None:
            while frame := sock.recv(256):
                answer = unit.answer(frame)
                sock.sendall(answer[:3])  # a module may send a frame in pieces
                sock.sendall(answer[3:])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        sock.shutdown(socket.SHUT_RDWR)
        thread.join(TIMEOUT_S)


def outcomes(api: ProjectApi, device_id: str) -> set[str]:
    return {frame["outcome"] for frame in api.call("GET", f"/device/{device_id}/modbus")["trace"]}


def test_a_unit_behind_raw_tcp_is_polled_and_written_and_again_after_a_crash(
    running: Running, start_server: StartServer
) -> None:
    certificate, unit = device_of_type(running), Unit()
    api, device_id = running.api, certificate.device_id
    with on_tcp(running.server, certificate, unit):
        eventually(lambda: api.attributes(device_id) == {"temperature": 21.5, "energy": 1234.56})
        api.call("POST", f"/control/device/{device_id}/attributes", json={"temperature": -3.5})
        eventually(lambda: unit.registers[0] == 0x10000 - 35)
        eventually(lambda: outcomes(api, device_id) >= {"asked", "used", "writing", "confirmed"})
        running.server.kill()
    unit.registers[0] = 400
    server = start_server()
    with ProjectApi(server.url, running.credentials) as api_again, on_tcp(server, certificate, unit):
        eventually(lambda: api_again.attributes(device_id)["temperature"] == 40.0)
        [group] = api_again.call("GET", f"/device/{device_id}/modbus")["streams"][0]["groups"]
        assert group["answered"] > 0
        assert group["exceptions"] == 0


def test_a_unit_behind_mqtt_is_polled(running: Running) -> None:
    certificate, unit = device_of_type(running), Unit()
    with running._replace(certificate=certificate).device() as device:
        device.subscribe("data/stream/set")
        answered = 0
        while answered < 2:
            topic, payload = device.received.get(timeout=TIMEOUT_S)
            if topic == "data/stream/set":
                device.publish_bytes("data/stream", unit.answer(payload))
                answered += 1
        eventually(lambda: running.api.attributes(certificate.device_id) == {"temperature": 21.5, "energy": 1234.56})
