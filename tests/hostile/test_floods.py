"""A device that floods is held back alone: large values, small ones, and values that are small on the wire and large in
memory; a server that is killed meanwhile starts within the same bounds, with all that was acknowledged."""

import base64
import contextlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bench.flood_load import packets
from bench.machine import rss_bytes
from bench.traffic import publish
from tests.hostile.attacker import Attack, Target
from tests.hostile.stand import RSS_LIMIT_BYTES, SECONDS, Outcome, Stand
from tests.project_api import Certificate, ProjectApi
from tests.raw_device import CONNACK_ACCEPTED, connect_packet
from tests.server_process import StartServer

RECEIVE_BYTES = 65_536
PUBACK_BYTES = 4
PACKET_IDS = 60_000
START_LIMIT_S = 20
EVER = {"start_time": 0, "end_time": 4_102_444_800_000, "interval": 4_102_444_800_000, "fn": "count"}


def flood(target: Target, bodies: Callable[[int], bytes]) -> int:
    """Sends one report after another, whatever is acknowledged, until the attack is over or the connection is; how many
    were acknowledged."""
    return send(target, (publish(number % PACKET_IDS + 1, bodies(number)) for number in target.until_over()))


def send(target: Target, messages: Iterable[bytes]) -> int:
    received = 0
    with socket.create_connection(("127.0.0.1", target.mqtt_port), timeout=target.seconds + 30) as connection:
        connection.sendall(connect_packet(Certificate(*target.device)))
        assert connection.recv(4) == CONNACK_ACCEPTED

        def receive() -> None:
            nonlocal received
            with contextlib.suppress(OSError):  # the server was killed
                while data := connection.recv(RECEIVE_BYTES):
                    received += len(data)

        reading = threading.Thread(target=receive)
        reading.start()
        with contextlib.suppress(OSError):  # likewise
            for message in messages:
                connection.sendall(message)
            wait_for_silence(lambda: received)
            connection.shutdown(socket.SHUT_RDWR)
        reading.join()
    return received // PUBACK_BYTES


def wait_for_silence(received: Callable[[], int]) -> None:
    """Until nothing has come for half a second."""
    before = -1
    while received() != before:
        before = received()
        time.sleep(0.5)


def large_values(target: Target) -> int:
    """Values of nearly 64 KiB that cannot be compressed much, no two of them equal."""
    noise = [base64.b64encode(os.urandom(45_000)).decode() for _ in range(8)]
    return flood(target, lambda number: json.dumps({"a": f"{number:08d}{noise[number % 8]}"}).encode())


def large_events(target: Target) -> int:
    """Events of 200 kB at QoS 1."""
    params = {f"p{number}": "x" * 50_000 for number in range(4)}
    body = json.dumps({"method": "m", "params": params}).encode()
    return send(target, (publish(n % PACKET_IDS + 1, body, b"event/report/1") for n in target.until_over()))


def values_that_are_too_large(target: Target) -> int:
    text = os.urandom(93_000).hex()
    return flood(target, lambda number: json.dumps({"a": f"{number:08d}{text}"}).encode())


def empty_arrays(target: Target) -> int:
    """A few kilobytes on the wire, more than half a megabyte in memory."""
    nothing = ",".join(["[]"] * 7_000)
    return flood(target, lambda number: b'{"a":[%d,%s]}' % (number, nothing.encode()))


def small_values(target: Target) -> int:
    ring = [packets(1)]
    return send(target, (ring[0] for _ in target.until_over()))


def unacknowledged_values(target: Target) -> int:
    ring = [packets(0)]
    return send(target, (ring[0] for _ in target.until_over()))


def many_attributes(target: Target) -> dict[str, int]:
    """Fills the state of a device over HTTP, and reads it again and again; how many reports were taken, refused, and
    the longest answer."""
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=60)
    path, headers = f"/device/v1/{target.device[1]}/attributes", {"Project-Key": target.device[2]}
    found = {"kept": 0, "refused": 0, "longest_bytes": 0}
    text = "x" * 60_000
    for number in target.until_over():
        connection.request("POST", path, json.dumps({f"a{number % 400}": text}).encode(), headers)
        answer = json.load(connection.getresponse())
        found["kept" if answer == {"result": 1} else "refused"] += 1
        connection.request("GET", path, headers=headers)
        found["longest_bytes"] = max(found["longest_bytes"], len(connection.getresponse().read()))
    return found


def kept(api: ProjectApi, device_id: str, identifier: str) -> int:
    """How many points of an attribute there are."""
    buckets: list[Any] = api.call("GET", f"/device/{device_id}/attribute/{identifier}/aggregate", params=EVER)
    return sum(bucket["value"] for bucket in buckets)


def check(stand: Stand, attack: Attack, identifier: str | None) -> Outcome:
    """The attack costs others nothing, and all of it that was acknowledged is kept."""
    outcome = stand.withstand(attack)
    outcome.check()
    assert outcome.attack[0] > 0
    if identifier is not None:
        assert kept(stand.api, stand.hostile.device_id, identifier) == outcome.attack[0]
    return outcome


@pytest.mark.parametrize(("attack", "identifier"), [(large_values, "a"), (empty_arrays, "a"), (small_values, None)])
def test_a_device_that_floods_costs_others_nothing(stand: Stand, attack: Attack, identifier: str | None) -> None:
    check(stand, attack, identifier)


def test_large_events_cost_others_nothing(stand: Stand) -> None:
    outcome = stand.withstand(large_events)
    outcome.check()
    assert outcome.attack[0] > 0


def test_a_flood_without_acknowledgements_costs_others_nothing(stand: Stand) -> None:
    stand.withstand(unacknowledged_values).check()


def test_values_that_are_too_large_are_refused_by_their_name(stand: Stand) -> None:
    check(stand, values_that_are_too_large, None)
    rejected = stand.api.call("GET", f"/device/{stand.hostile.device_id}/rejected_logs")
    assert "a: must have at most 65,536 bytes" in json.dumps(rejected)
    assert stand.api.attributes(stand.hostile.device_id) == {}


def test_the_state_of_a_device_has_an_end_and_so_has_the_answer_to_who_reads_it(stand: Stand) -> None:
    outcome = stand.withstand(many_attributes)
    outcome.check()
    found = outcome.attack[0]
    assert found["kept"] >= 17
    assert found["longest_bytes"] < 1_100_000
    assert found["refused"] > 0 or found["kept"] < 20  # a slow machine did not come that far


def test_a_server_that_is_killed_under_a_flood_starts_within_bounds(stand: Stand, start_server: StartServer) -> None:
    killing = threading.Timer(SECONDS / 2, stand.server.kill)
    killing.start()
    acknowledged = large_values(stand.target())
    killing.join()
    begun = time.monotonic()
    again = start_server(stand.server.data_dir)
    assert time.monotonic() - begun < START_LIMIT_S
    assert rss_bytes(again.process.pid) < RSS_LIMIT_BYTES
    with ProjectApi(again.url, stand.credentials) as api:
        assert kept(api, stand.hostile.device_id, "a") >= acknowledged > 0
    assert rss_bytes(again.process.pid) < RSS_LIMIT_BYTES
