"""Strangers over HTTP: bodies that grow, requests without end on one connection, connections that ask for nothing; and
tenants who ask for more than they wait for."""

import contextlib
import http.client
import itertools
import json
import re
import select
import socket
import urllib.request
from collections import Counter

from tests.hostile.attacker import Target
from tests.hostile.conftest import StartStand
from tests.hostile.stand import Stand

TIMEOUT_S = 30
PIPELINED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000
IDLE = 100  # connections of one address that are held at once
ADDRESSES = 8  # of strangers, within 127.0.0.0/8
POINTS, DAY_MS = 200_000, 86_400_000
BEGIN_MS = 1_700_000_000_000


def long_paths(target: Target) -> dict[str, int]:
    """Logs in with long names over many values; how often each status came."""
    numbers = b",".join([b"0"] * 25_000)
    bodies = [
        b'{"' + b"k" * 20_000 + b'":[' + numbers + b'],"n":1111111111111111111}',
        b'{"a":[' + b",".join([b"[]"] * 300_000) + b"]}",
        b'{"app_id":"a","n":1111111111111111111111}',
    ]
    answers: Counter[str] = Counter()
    for number in target.until_over():
        connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
        connection.request("POST", "/api/v1/access_token", bodies[number % len(bodies)])
        answers[str(connection.getresponse().status)] += 1
        connection.close()
    return answers


def _pipeline(target: Target, *, read: bool) -> int:
    sent = 0
    with socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S) as sock:
        sock.setblocking(False)
        for _ in target.until_over():
            readable, writable, _ = select.select([sock] if read else [], [sock], [], 0.1)
            with contextlib.suppress(BlockingIOError):
                if readable:
                    sock.recv(1 << 20)
                if writable:
                    sent += sock.send(PIPELINED)
    return sent


def pipeline_and_read(target: Target) -> int:
    """Sends requests as fast as it can over one connection; how many bytes were taken."""
    return _pipeline(target, read=True)


def pipeline_and_leave(target: Target) -> int:
    """The same without reading an answer."""
    return _pipeline(target, read=False)


def ask_for_nothing(target: Target) -> int:
    """Opens connections from several addresses that say nothing, and holds as many as it may; how many it opened."""
    opened = 0
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        for number in itertools.chain(target.until_over(), range(IDLE * ADDRESSES)):  # so many at least
            source = (f"127.0.0.{10 + number % ADDRESSES}", 0)
            with contextlib.suppress(OSError):
                sock = socket.create_connection(("127.0.0.1", target.http_port), TIMEOUT_S, source)
                held.append(stack.enter_context(sock))
                opened += 1
            if len(held) == IDLE * ADDRESSES:
                select.select(held, [], [], TIMEOUT_S)  # until the server has accepted so many that it turns one away
                for sock in held:
                    sock.close()
                held.clear()
    return opened


def _held(target: Target, request: bytes, count: int, *, answered: bool) -> list[int]:
    """Sends a request over each of ``count`` connections and holds them; the status of the last answer."""
    status = 0
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        for _ in target.until_over():
            if len(held) == count:
                stack.pop_all().close()
                held.clear()
            sock = socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S)
            held.append(stack.enter_context(sock))
            with contextlib.suppress(ConnectionError):
                sock.sendall(request)
                if answered:
                    status = int(sock.recv(1_000)[9:12])
    return [status]


def hold_many_headers(target: Target) -> list[int]:
    """Holds connections that asked with as many headers as fit into a head."""
    return _held(target, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 16_000 + b"\r\n", 400, answered=True)


def hold_answered_requests(target: Target) -> list[int]:
    """Holds connections whose requests with large heads were answered."""
    return _held(target, b"GET /healthz HTTP/1.1\r\nHost: a\r\na: " + b"x" * 65_000 + b"\r\n\r\n", 400, answered=True)


def send_trailers(target: Target) -> int:
    """Sends a body that nobody asked for, and trailers without end; how often that was cut."""
    cut = 0
    body = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
    for _ in target.until_over():
        with socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S) as sock:
            try:
                sock.sendall(b"POST /api/v1/device HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                sock.sendall(body * 40 + b"0\r\n")
                for _ in range(1_000):
                    sock.sendall(b"a:\r\n" * 16_384)
            except ConnectionError:
                cut += 1
    return cut


def hold_bodies(target: Target) -> dict[str, int]:
    """Begins reports whose last byte never comes; how many were refused before."""
    head = f"POST /device/v1/{target.device[1]}/attributes HTTP/1.1\r\nHost: a\r\nProject-Key: {target.device[2]}\r\n"
    request = f"{head}Content-Length: 1048576\r\n\r\n".encode() + b" " * 1_048_570
    answers: Counter[str] = Counter()
    held: list[socket.socket] = []
    for _ in target.until_over():
        if len(held) < 300:
            sock = socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S)
            held.append(sock)
            sock.sendall(request)
        for sock in select.select(held, [], [], 0 if len(held) < 300 else 0.1)[0]:
            held.remove(sock)
            answers[sock.recv(1_000)[9:12].decode()] += 1
            sock.close()
    for sock in held:
        sock.close()
    return answers


def leave_large_answers(target: Target) -> list[int]:
    """Asks for the large state of a device over many connections and reads nothing; how many were there, and
    how many of them were cut."""
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
    for number in range(15):
        body = json.dumps({f"k{number}": "x" * 60_000})
        connection.request("POST", f"/device/v1/{target.device[1]}/attributes", body, {"Project-Key": target.device[2]})
        assert connection.getresponse().read() == b'{"result":1}'
    line = f"GET /api/v1/device/{target.device[0]}/attributes HTTP/1.1"
    requests = f"{line}\r\nHost: a\r\nAuthorization: Bearer {target.token}\r\n\r\n".encode() * 20
    cut = 0
    held: list[socket.socket] = []
    for _ in target.until_over():
        if len(held) < 300:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            sock.connect(("127.0.0.1", target.http_port))
            sock.sendall(requests)
            held.append(sock)
        hung_up = select.poll()
        for sock in held:
            hung_up.register(sock, select.POLLHUP | select.POLLERR)
        gone = {number for number, _ in hung_up.poll(100 if len(held) == 300 else 0)}
        cut += len(gone)
        for sock in [sock for sock in held if sock.fileno() in gone]:
            held.remove(sock)
            sock.close()
    for sock in held:
        sock.close()
    return [len(held), cut]


def abandon_charts(target: Target) -> int:
    """Asks for charts of a long history and hangs up at once; how many."""
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
    for begin in range(0, POINTS, 5_000):
        series = [
            {"ts": BEGIN_MS + n * 1_000, "attributes": {"v": n * 7_919 % 1_000}} for n in range(begin, begin + 5_000)
        ]
        path = f"/device/v1/{target.device[1]}/attributes/series"
        connection.request("POST", path, json.dumps(series), {"Project-Key": target.device[2]})
        assert connection.getresponse().read() == b'{"result":1}'
    query = f"identifiers=v&start_time={BEGIN_MS}&end_time={BEGIN_MS + 9 * DAY_MS}&points=10000"
    line = f"GET /api/v1/device/{target.device[0]}/history?{query} HTTP/1.1"
    request = f"{line}\r\nHost: a\r\nAuthorization: Bearer {target.token}\r\n\r\n".encode()
    asked = itertools.count(1)
    last = 0
    for _ in target.until_over():
        with socket.create_connection(("127.0.0.1", target.http_port), timeout=TIMEOUT_S) as sock:
            sock.sendall(request)
        last = next(asked)
    return last


def turned_away(stand: Stand) -> dict[str, float]:
    """How many connections, by reason."""
    with urllib.request.urlopen(f"{stand.server.url}/metrics", timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    found = re.findall(r'^thingstead_connections_turned_away_total\{reason="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {reason: float(count) for reason, count in found}


def test_log_ins_with_long_names_over_many_values_are_refused(stand: Stand) -> None:
    outcome = stand.withstand(long_paths)
    outcome.check()
    assert outcome.attack[0].keys() == {"413", "200"}


def test_requests_without_end_over_one_connection_wait_for_their_turn(stand: Stand) -> None:
    outcome = stand.withstand(pipeline_and_read, pipeline_and_leave)
    outcome.check()
    read, left = outcome.attack
    assert read > 0
    assert left < 20_000_000


def test_connections_that_ask_for_nothing_turn_nobody_away(start_stand: StartStand) -> None:
    stand = start_stand(THINGSTEAD_HTTP_MAX_CONNECTIONS="200")
    outcome = stand.withstand(ask_for_nothing)
    outcome.check()
    assert outcome.attack[0] > 0
    assert turned_away(stand)["share"] > 0


def test_requests_with_many_headers_are_refused_by_name(stand: Stand) -> None:
    outcome = stand.withstand(hold_many_headers)
    outcome.check()
    assert outcome.attack == [[431]]


def test_idle_connections_hold_nothing_of_what_they_asked(stand: Stand) -> None:
    outcome = stand.withstand(hold_answered_requests)
    outcome.check()
    assert outcome.attack == [[200]]


def test_trailers_without_end_are_cut(stand: Stand) -> None:
    outcome = stand.withstand(send_trailers)
    outcome.check()
    assert outcome.attack[0] > 0


def test_bodies_that_are_held_are_refused_by_name_and_leave_room_for_others(stand: Stand) -> None:
    outcome = stand.withstand(hold_bodies)
    outcome.check()
    assert outcome.attack[0].keys() == {"503"}


def test_large_answers_that_nobody_reads_are_bounded(stand: Stand) -> None:
    outcome = stand.withstand(leave_large_answers)
    outcome.check()
    held, _ = outcome.attack[0]
    assert held > 0


def test_charts_that_nobody_waits_for_are_not_made(stand: Stand) -> None:
    outcome = stand.withstand(abandon_charts)
    outcome.check()
    assert outcome.attack[0] > 0
