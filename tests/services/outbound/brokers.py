"""Brokers to publish to: mosquitto, and one that does what its script says."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from thingstead.mqtt.connection_packets import PINGRESP, Connack, Connect, Disconnect, Pingreq
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.publish_packets import Puback, Publish

TIMEOUT_S = 30


def free_port() -> int:
    """A port that was free a moment ago, for a program that takes no number 0."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def mosquitto(folder: Path, port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
    """A mosquitto with these lines of configuration, listening."""
    configuration = folder / f"mosquitto-{port}.conf"
    configuration.write_text("\n".join((f"listener {port} 127.0.0.1", *lines)) + "\n")
    with (folder / f"mosquitto-{port}.log").open("wb") as log:
        process = subprocess.Popen(["mosquitto", "-c", str(configuration), "-v"], stdout=log, stderr=log)
    try:
        ends = time.monotonic() + TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / f"mosquitto-{port}.log").read_text()
                assert time.monotonic() < ends
        yield process
    finally:
        process.kill()
        process.wait(timeout=TIMEOUT_S)


class Visit:
    """One connection to a scripted broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(1 << 20)
        self._packets: list[Packet] = []

    async def next(self) -> Packet | None:
        """The next packet of the client; None at the end of the connection."""
        while not self._packets:
            data = await self._reader.read(65_536)
            if not data:
                return None
            self._packets += self._decoder.receive_data(data)
            assert self._decoder.error is None, self._decoder.error
        return self._packets.pop(0)

    async def connect(self, connack: Connack | None = None) -> Connect:
        """Takes the CONNECT, and accepts it."""
        packet = await self.next()
        assert type(packet) is Connect
        self.send(connack or Connack())
        return packet

    async def publish(self) -> Publish:
        """Takes a PUBLISH."""
        packet = await self.next()
        assert type(packet) is Publish, packet
        return packet

    def send(self, packet: Connack | Puback | Publish | Disconnect) -> None:
        assert self._decoder.version is not None
        self._writer.write(packet.serialize(self._decoder.version))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    def drop(self) -> None:
        """Ends the connection without a word."""
        self._writer.transport.abort()

    async def serve(self) -> list[Publish]:
        """Acknowledges everything until the client leaves; returns what it published."""
        taken: list[Publish] = []
        while (packet := await self.next()) is not None:
            if type(packet) is Publish:
                taken.append(packet)
                self.send(Puback(packet.packet_id))
            elif type(packet) is Pingreq:
                self.send_bytes(PINGRESP)
        return taken


class ScriptedBroker:
    """Runs a script for each connection, in turn; the last one for all that follow."""

    def __init__(self, *scripts: Callable[[Visit], object]) -> None:
        self._scripts = list(scripts)
        self.results: list[object] = []
        self.port = 0
        self.errors: list[BaseException] = []
        self.visits = 0
        self._ended = asyncio.Condition()

    async def ended(self, count: int) -> list[object]:
        """The results of the first scripts, when so many have ended."""
        async with asyncio.timeout(TIMEOUT_S), self._ended:
            await self._ended.wait_for(lambda: len(self.results) >= count)
        return self.results

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        try:
            self.results.append(await script(Visit(reader, writer)))  # type: ignore[misc]
        except (ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as exc:  # noqa: BLE001 - the test shows it
            self.errors.append(exc)
        finally:
            writer.close()
            async with self._ended:
                self._ended.notify_all()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["ScriptedBroker"]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
        assert self.errors == []
