"""Nodes over one database in this process: standing by, taking over, handing over, and what is taken over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import paho.mqtt.publish as paho_publish
import paho.mqtt.subscribe as paho_subscribe
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.postgres.pair import TIMEOUT_S, Pair, active
from tests.postgres_server import PostgresServer
from tests.project_api import ProjectApi
from thingstead.config import Config
from thingstead.errors import ConfigError, Unavailable
from thingstead.server.cluster.node import Node
from thingstead.server.cluster.opening import open_database_node


@pytest.fixture
async def pair(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[Pair]:
    database = postgres_server.new_database(empty=True)
    pair = Pair(tmp_path, database)
    yield pair
    await pair.close()
    postgres_server.drop_database(database)


async def ready(node: Node) -> tuple[int, str]:
    """The status of ``/readyz``, and its code."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{node.http_port}/readyz")
        return answer.status_code, answer.json().get("code", "")


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_one_of_two_nodes_is_active_and_the_other_follows_when_it_ends(pair: Pair) -> None:
    first = await active(await pair.start("first"))
    second = await pair.start("second")
    others = ("mqtt_port", "tcp_port", "open_mqtt_port")
    assert (await ready(first), await ready(second)) == ((200, ""), (503, "standby"))
    assert [await listens(first.ports[name]) for name in others] == [True, True, True]
    assert [await listens(second.ports[name]) for name in others] == [False, False, False]
    with pytest.raises(Unavailable):
        _ = second.platform
    await pair.end("first")
    await active(second)
    assert await ready(second) == (200, "")
    assert [await listens(second.ports[name]) for name in others] == [True, True, True]
    assert len(pair.credentials) == 1


async def test_a_node_packs_its_log_before_it_hands_over(pair: Pair) -> None:
    first = await active(await pair.start("first"))
    [credentials] = pair.credentials

    def report() -> None:
        with ProjectApi(f"http://127.0.0.1:{first.http_port}", credentials) as api:
            device = api.create_device()
            for number in range(50):
                api.call("PUT", f"/control/device/{device.device_id}/attributes", json={"n": number})

    def unpacked() -> int:
        with psycopg.connect(pair.database) as connection:
            row = connection.execute("SELECT count(*) FROM report_log").fetchone()
            assert row is not None
            return int(row[0])

    await asyncio.to_thread(report)
    assert unpacked() >= 50
    await pair.end("first")
    assert unpacked() < 10


async def test_a_node_that_lost_its_place_breaks_its_connections_and_one_node_is_active_again(pair: Pair) -> None:
    first = await active(await pair.start("first"))
    second = await pair.start("second")
    reader, writer = await asyncio.open_connection("127.0.0.1", first.mqtt_port)
    with psycopg.connect(pair.database, autocommit=True) as connection:
        connection.execute("DELETE FROM nodes WHERE active")  # as if it had been declared dead
    async with asyncio.timeout(TIMEOUT_S):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        while sorted([await ready(first), await ready(second)]) != [(200, ""), (503, "standby")]:
            pass
    serving, waiting = (first, second) if (await ready(first))[0] == 200 else (second, first)
    assert await listens(serving.mqtt_port)
    assert not await listens(waiting.mqtt_port)
    await pair.end("first" if serving is first else "second")
    await active(waiting)
    assert await listens(waiting.mqtt_port)


async def test_values_retained_messages_and_sessions_are_taken_over(pair: Pair) -> None:
    first = await active(await pair.start("first"))
    second = await pair.start("second")
    [credentials] = pair.credentials

    def use_the_first() -> str:
        with ProjectApi(f"http://127.0.0.1:{first.http_port}", credentials) as api:
            device = api.create_device()
            api.call("PUT", f"/control/device/{device.device_id}/attributes", json={"temperature": 21.5})
        port = first.ports["open_mqtt_port"]
        paho_subscribe_durably(port)
        paho_publish.single("room/1", b"21", qos=1, retain=True, hostname="127.0.0.1", port=port)
        paho_publish.single("queue/1", b"kept", qos=1, hostname="127.0.0.1", port=port)
        return device.device_id

    def use_the_second(device_id: str) -> None:
        with ProjectApi(f"http://127.0.0.1:{second.http_port}", credentials) as api:
            assert api.attributes(device_id)["temperature"] == 21.5
        port = second.ports["open_mqtt_port"]
        simple: Any = paho_subscribe.simple
        retained = simple("room/+", qos=1, hostname="127.0.0.1", port=port)
        assert (retained.topic, retained.payload) == ("room/1", b"21")
        queued = simple("queue/+", qos=1, hostname="127.0.0.1", port=port, client_id="durable", clean_session=False)
        assert (queued.topic, queued.payload) == ("queue/1", b"kept")

    async with asyncio.timeout(TIMEOUT_S):
        device_id = await asyncio.to_thread(use_the_first)
        await pair.end("first")
        await active(second)
        await asyncio.to_thread(use_the_second, device_id)


def _subscribe(client: paho.Client, *_: object) -> None:
    client.subscribe("queue/+", 1)


def paho_subscribe_durably(port: int) -> None:
    """A session of the open port that outlives its connection."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="durable", clean_session=False)
    client.connect("127.0.0.1", port)
    subscribed: list[int] = []
    client.on_subscribe = lambda *_: subscribed.append(1)
    client.on_connect = _subscribe
    while not subscribed:
        client.loop(0.1)
    client.disconnect()
    client.loop(0.1)


async def test_a_database_that_refuses_the_program_ends_the_node(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    missing = postgres_server.url("missing")
    config = Config(data_dir=str(tmp_path), database=missing, host="127.0.0.1", http_port=0, mqtt_port=0, tcp_port=0)
    with pytest.raises(ConfigError, match='database "missing" does not exist'):
        async with open_database_node(config):
            pass
