"""A fleet counts who was turned away, and takes no answer for another."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from bench.fleet import Fleet, reported, subscribed
from bench.generator import LoadFailed
from bench.platform import thingstead
from bench.traffic import ATTRIBUTE_DEFINITIONS
from tests.bench.test_load_generators import answering

ACCEPTED = b"\x20\x02\x00\x00"
ME = [("anyone", "anyone")]
TIMEOUT_S = 30


@contextlib.contextmanager
def closing_then_accepting(closed: int) -> Iterator[int]:
    """A server that closes its first connections, and answers the next one; yields its port."""

    def serve() -> None:
        for _ in range(closed):
            listener.accept()[0].close()
        client, _ = listener.accept()
        with client:
            client.recv(1_000)
            client.sendall(ACCEPTED)
            client.recv(1_000)  # until it is closed

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=TIMEOUT_S)


def test_a_device_is_served_when_it_is_logged_in_listens_and_is_answered() -> None:
    with thingstead() as platform:
        devices = platform.api.create_devices(3, ATTRIBUTE_DEFINITIONS)
        fleet = Fleet([(device.access_token, device.project_key) for device in devices])
        with contextlib.closing(fleet):
            served = fleet.connect(platform.mqtt_port, TIMEOUT_S, subscribed())
            assert served.refused == 0
            assert 0 < served.median_s <= served.seconds
            fleet.talk(TIMEOUT_S, reported(answered=True))
            stored = [platform.api.series(device, "temperature", 1) for device in devices]
    assert [points[0]["value"] for points in stored] == [21.5] * 3


def test_whoever_is_turned_away_comes_again_and_is_counted() -> None:
    with closing_then_accepting(2) as port, contextlib.closing(Fleet(ME)) as fleet:
        assert fleet.connect(port, TIMEOUT_S).refused == 2


def test_a_refusal_is_not_taken_for_an_admission() -> None:
    with (
        answering(b"\x20\x02\x00\x05") as port,
        contextlib.closing(Fleet(ME)) as fleet,
        pytest.raises(LoadFailed, match="not served"),
    ):
        fleet.connect(port, 0.5)


def test_another_answer_than_the_awaited_one_gives_no_figure() -> None:
    with answering(ACCEPTED, b"\x40\x02\x00\x09") as port, contextlib.closing(Fleet(ME)) as fleet:
        fleet.connect(port, TIMEOUT_S)
        with pytest.raises(LoadFailed, match="40 02 00 09"):
            fleet.talk(TIMEOUT_S, reported(answered=False))
