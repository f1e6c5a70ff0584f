"""Forwarding to a broker, InfluxDB, PostgreSQL and Kafka at once, by a server that is killed in between: each has every
acknowledged message, and no message twice under another id."""

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer

from tests.postgres_server import PostgresServer
from tests.project_api import ProjectApi
from tests.raw_device import RawDevice, puback_packet, publish_packet
from tests.running import Running, eventually
from tests.server_process import StartServer
from tests.services.forwarding.influxd import influxd
from tests.services.outbound.brokers import free_port, mosquitto

EVENTS = 120  # of each turn
TIMEOUT_S = 30


def add_target(api: ProjectApi, kind: str, config: dict[str, Any]) -> str:
    body = {"name": kind, "kinds": ["event"], kind: config}
    return str(api.call("POST", "/forward_target", json=body)["id"])


def report(port: int, running: Running, begin: int) -> None:
    """Sends events, and waits until each is acknowledged."""
    with RawDevice(port, running.certificate) as device:
        events = [b'{"method":"counted","params":{"n":%d}}' % (begin + n) for n in range(EVENTS)]
        device.send(b"".join(publish_packet(n + 1, event, "event/report/1") for n, event in enumerate(events)))
        for number in range(EVENTS):
            assert device.receive_packet() == puback_packet(number + 1)


@pytest.mark.external("mosquitto", "mosquitto_sub", "influxd")
def test_every_target_has_every_acknowledged_message_after_a_kill(
    running: Running, start_server: StartServer, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    port = free_port()
    cluster = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 3, "log_level": 0})
    servers = [f"{each.host}:{each.port}" for each in cluster.list_topics(timeout=TIMEOUT_S).brokers.values()]
    database = postgres_server.new_database(empty=True)
    known = psycopg.conninfo.conninfo_to_dict(database)
    subscribe = ["mosquitto_sub", "-p", str(port), "-i", "reader", "-c", "-q", "1", "-t", "#"]
    with mosquitto(tmp_path, port, "allow_anonymous true", "max_queued_messages 10000"), influxd(tmp_path) as influx:
        subprocess.run([*subscribe, "-E"], check=True, timeout=TIMEOUT_S)
        influx.query("CREATE DATABASE plant")
        login = {"host": known["host"], "port": int(str(known["port"])), "user_name": known["user"], "tls": "off"}
        configs: dict[str, dict[str, Any]] = {
            "mqtt": {"url": f"mqtt://127.0.0.1:{port}", "topic": "up/{identifier}"},
            "influxdb": {"url": influx.url, "database": "plant"},
            "postgresql": {**login, "database": known["dbname"]},
            "kafka": {"servers": servers, "topic": "plant"},
        }
        targets = [add_target(running.api, kind, config) for kind, config in configs.items()]
        report(running.server.mqtt_port, running, 0)
        running.server.kill()
        server = start_server()
        report(server.mqtt_port, running, EVENTS)
        with ProjectApi(server.url, running.credentials) as api:
            for target_id in targets:
                path = f"/forward_target/{target_id}/statistics"
                eventually(lambda path=path: api.call("GET", path)["waiting_items"] == 0)  # type: ignore[misc]
                assert api.call("GET", path)["refused"] == 0
        everything = list(range(2 * EVENTS))

        bodies = subprocess.run([*subscribe, "-W", "2"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        published = [json.loads(line) for line in bodies.stdout.splitlines()]
        by_id = {body["id"]: body["event"]["params"]["n"] for body in published}
        assert list(by_id.values()) == everything  # in the order of their first arrival

        [series] = influx.query('SELECT "n" FROM "event"', "plant")
        assert sorted(row[1] for row in series["values"]) == everything

        with psycopg.connect(database) as connection:
            sql = "SELECT (content -> 'params' ->> 'n')::int FROM thingstead_messages ORDER BY 1"
            assert [row[0] for row in connection.execute(sql).fetchall()] == everything

        consumer = Consumer({"bootstrap.servers": ",".join(servers), "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["plant"])
        records: dict[str, int] = {}
        while len(records) < len(everything):
            for record in consumer.consume(1_000, timeout=0.5):
                value = record.value()
                assert value is not None
                body = json.loads(value)
                records.setdefault(body["id"], body["event"]["params"]["n"])
        consumer.close()
        assert list(records.values()) == everything
        assert server.stop() == 0
