"""The fan-out load counts every message that a subscriber gets, however it is cut, and refuses to guess."""

import itertools
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import fanout_load
from bench.case import Options
from bench.cases.open_fanout import Shape, open_port
from bench.fanout_load import MARK, Task, _AnsweringSubscriber, _Subscriber
from bench.generator import LoadFailed
from bench.platform import thingstead
from bench.traffic import ATTRIBUTE_DEFINITIONS, payload, publish
from tests.bench.test_load_generators import answering


class _Cut:
    """A socket that gives these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.sent = b""

    def recv_into(self, buffer: bytearray) -> int:
        piece = self._pieces.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)


@given(count=st.integers(0, 5), cuts=st.lists(st.integers(0, 150)), noise=st.binary(max_size=8))
def test_messages_are_counted_wherever_the_stream_is_cut(count: int, cuts: list[int], noise: bytes) -> None:
    stream = (b"0\x20" + noise.replace(b"/", b"") + b"k/t" + MARK + b'n":1}') * count
    places = sorted({cut for cut in cuts if cut < len(stream)} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    subscriber = _Subscriber(_Cut(list(pieces)))  # type: ignore[arg-type]  # all that it uses of a socket
    buffer = bytearray(fanout_load.RECEIVE_BYTES)
    for _ in pieces:
        subscriber.receive(buffer)
    assert subscriber.received == count


@given(packet_ids=st.lists(st.integers(1, 65_535), max_size=6), cuts=st.lists(st.integers(0, 900)))
def test_every_message_at_qos_1_is_acknowledged_in_order_wherever_the_stream_is_cut(
    packet_ids: list[int], cuts: list[int]
) -> None:
    noise = random.Random(2)
    topic = "k/00007/attributes"
    stream = b"".join(publish(packet_id, payload(3, noise), topic.encode()) for packet_id in packet_ids)
    places = sorted({cut for cut in cuts if cut < len(stream)} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    cut = _Cut(list(pieces))
    subscriber = _AnsweringSubscriber(cut, "k/{}/attributes")  # type: ignore[arg-type]  # as above
    buffer = bytearray(fanout_load.RECEIVE_BYTES)
    for _ in pieces:
        subscriber.receive(buffer)
    assert subscriber.received == len(packet_ids)
    assert cut.sent == b"".join(b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids)


def test_messages_of_another_kind_give_no_figure() -> None:
    subscriber = _AnsweringSubscriber(_Cut([b"\x30" * 500]), "k/attributes")  # type: ignore[arg-type]  # as above
    with pytest.raises(LoadFailed, match="not a PUBLISH at QoS 1"):
        subscriber.receive(bytearray(fanout_load.RECEIVE_BYTES))


@pytest.mark.parametrize("qos", [0, 1])
def test_what_is_published_on_the_open_port_reaches_every_subscriber(qos: int) -> None:
    with open_port() as server:
        shape = Shape(2, 3, 5, qos)
        result = fanout_load.generate(shape.task(server, Options(1, 0.3, 0.1)))
    assert result.received_in_all == 3 * result.acknowledged_in_all > 0


def test_what_is_acknowledged_reaches_every_subscriber() -> None:
    with thingstead() as platform:
        devices = platform.api.create_devices(2, ATTRIBUTE_DEFINITIONS)
        certificates = [(device.access_token, device.project_key) for device in devices]
        topic_filter = f"{platform.view[0]}/+/attributes"
        task = Task(
            platform.mqtt_port,
            certificates,
            ["attributes"] * 2,
            platform.view,
            topic_filter,
            3,
            5,
            0.1,
            0.3,
            platform.pid,
        )
        result = fanout_load.generate(task)
    assert result.received_in_all == 3 * result.acknowledged_in_all > 0
    assert 0 < result.received <= result.received_in_all


def test_a_subscription_that_is_not_granted_gives_no_figure() -> None:
    with answering(b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x80") as port:
        task = Task(port, [], [], ("a", "b"), "x/+/attributes", 1, 5, 0.1, 0.1, os.getpid())
        with pytest.raises(LoadFailed, match="not granted"):
            fanout_load.FanoutGenerator(task).run()
