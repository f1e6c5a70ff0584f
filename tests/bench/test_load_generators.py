"""The load generators count what happened, and refuse to give a figure for anything else."""

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import http_load, mqtt_load
from bench.brokers import ack_only
from bench.generator import LoadFailed
from bench.paced_load import note_longest
from bench.process import NotStarted, free_port, listens, running
from bench.traffic import RING_SIZE, SENSOR_DEFINITIONS, Ring, sensor_payloads, temperature

WINDOW = 20
ME = [("anyone", "anyone")]


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """A server that gives these answers to its only client, one for each receive; yields its port."""

    def serve() -> None:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            for answer in answers:
                client.recv(65_536)
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)


def own_task(port: int) -> mqtt_load.Task:
    return mqtt_load.Task(port, ME, WINDOW, 0.0, 0.2, os.getpid())


def test_every_message_that_was_sent_is_acknowledged_and_counted() -> None:
    with ack_only(WINDOW) as server:
        task = mqtt_load.Task(server.port, ME * 4, WINDOW, 0.05, 0.2, server.pid)
        result = mqtt_load.generate(task)
    assert result.out_of_order == 0
    assert len(result.acknowledged_in_all) == 4
    assert WINDOW < result.acknowledged <= sum(result.acknowledged_in_all)
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms


def test_a_refused_connection_gives_no_figure() -> None:
    with answering(b"\x20\x02\x00\x05") as port, pytest.raises(LoadFailed, match="20 02 00 05"):
        mqtt_load.Generator(own_task(port)).run()


def test_bytes_that_are_no_acknowledgement_give_no_figure() -> None:
    with answering(b"\x20\x02\x00\x00", b"\xd0\x00") as port, pytest.raises(LoadFailed, match="not a PUBACK"):
        mqtt_load.Generator(own_task(port)).run()


def test_acknowledgements_out_of_order_are_noticed() -> None:
    swapped = b"\x40\x02\x00\x02\x40\x02\x00\x01"
    with answering(b"\x20\x02\x00\x00", swapped) as port:
        generator = mqtt_load.Generator(own_task(port))
        with pytest.raises(LoadFailed, match="closed"):
            generator.run()
    assert generator.out_of_order == 1


def test_the_ring_of_messages_may_be_cut_across_its_end() -> None:
    ring = Ring(WINDOW)
    across = bytes(ring.packets(RING_SIZE - 1, 2))
    last, first = across[: ring.packet_bytes], across[ring.packet_bytes :]
    assert first == bytes(ring.packets(0, 1))
    body = json.loads(last[-ring.payload_bytes :])
    assert body["temperature"] == temperature(RING_SIZE - 1)
    assert set(body) == {"temperature", "humidity", "pressure", "switch", "mode"}
    assert bytes(ring.acknowledgements(4 * (RING_SIZE - 1), 8)) == b"\x40\x02\x0f\xa0\x40\x02\x00\x01"


def test_the_ring_of_sensors_has_reports_of_one_length_that_fit_their_definition() -> None:
    payloads = sensor_payloads()
    ring = Ring(WINDOW, payloads)
    assert ring.size == len(payloads) < 65_536
    assert {len(each) for each in payloads} == {ring.payload_bytes}
    names = {each["identifier"] for each in SENSOR_DEFINITIONS}
    for each in payloads[:: len(payloads) // 50]:
        body = json.loads(each)
        assert body.keys() == names
        assert -40 <= body["temperature"] <= 125


def test_the_load_of_sensors_tells_of_every_second() -> None:
    generator = mqtt_load.Generator(mqtt_load.Task(0, ME, WINDOW, 0.0, 3.0, 0, sensors=True))
    for at_s, acknowledged, latency_s in ((0.2, 5, 0.1), (0.4, 5, 0.3), (2.1, 1, 0.2)):
        generator._note_second(at_s, acknowledged)
        generator._latencies_s.append(latency_s)
    seconds = generator._by_second()
    assert [second.acknowledged for second in seconds] == [10, 0, 1]
    assert [second.longest_ms for second in seconds] == [300, 0, 200]


def test_the_longest_wait_of_each_second_is_kept() -> None:
    longest_s: list[float] = []
    for at_s, wait_s in ((0.1, 0.5), (0.9, 0.2), (2.5, 0.1)):
        note_longest(longest_s, at_s, wait_s)
    assert longest_s == [0.5, 0.0, 0.1]


def test_answers_of_a_bare_handler_are_counted(tmp_path: Path) -> None:
    document = tmp_path / "document.json"
    document.write_text('{"result":true,"info":[]}', encoding="utf-8")
    port = free_port()
    with running([sys.executable, "-m", "bench.bare_http", str(port), document], listens(port)) as pid:
        result = http_load.generate(http_load.Task(port, "/api/v1/device/x/attributes", "", 2, 0.05, 0.2, pid))
    assert result.answers > 2
    assert result.answer_bytes > len('{"result":true,"info":[]}')


def test_an_answer_other_than_200_gives_no_figure() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with answering(answer) as port, pytest.raises(LoadFailed, match="404"):
        http_load.Generator(http_load.Task(port, "/", "", 1, 0.0, 0.2, os.getpid())).run()


def test_a_server_that_ends_at_once_is_shown_with_what_it_printed() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such setting')"]
    with pytest.raises(NotStarted, match="no such setting"), running(command, listens(free_port())):
        raise AssertionError("it never became ready")
