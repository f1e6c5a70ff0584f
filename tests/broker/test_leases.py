"""Connections of a node that several share a database: nothing is written without the lease."""

import asyncio

from thingstead.broker.net.admission import Arrivals
from thingstead.broker.net.listening import Port, listen
from thingstead.broker.net.stream import Stream
from thingstead.clock import ManualClock
from thingstead.server.sockets import bind

TIMEOUT_S = 30


class Echo(Stream):
    def received(self, data: bytes) -> None:
        self.write(data)
        self.flush()


async def test_a_connection_is_aborted_in_place_of_an_answer_without_the_lease() -> None:
    held = True
    arrivals = Arrivals(ManualClock(), held=lambda: held)
    sock = bind("mqtt_port", "127.0.0.1", 0)
    port = sock.getsockname()[1]
    listening = await listen(Port(sock), lambda arrival: Echo(1_000, arrival), arrivals.entrance("MQTT", 10))
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a")
        assert await reader.read(10) == b"a"
        held = False
        writer.write(b"b")
        try:
            assert await reader.read(10) == b""
        except ConnectionResetError:
            pass
        writer.close()
    listening.close()
    await listening.wait_closed()
