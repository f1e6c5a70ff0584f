"""Downloads of firmware: lengths, ranges, links."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ota.fleet import FIRMWARE, Fleet, check, digests, exchange, fetch
from tests.running import Running, eventually
from thingstead.api.downloads import ByteSpan, span_of

SIZE = len(FIRMWARE)
SHA256, MD5 = digests(FIRMWARE)["sha256"], digests(FIRMWARE)["md5"]


@pytest.fixture(scope="module")
def link(running: Running) -> Iterator[str]:
    """A link to the firmware."""
    fleet = Fleet(running)
    fleet.version("1.1")
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0"})
        yield check(device)["url"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=65535-65536", 65_535, 65_536),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (f"bytes=70000-{SIZE}", 70_000, SIZE - 1),  # one past the end, as esp_https_ota asks
        ("bytes=-10", SIZE - 10, SIZE - 1),
        ("bytes=-999999", 0, SIZE - 1),
        ("BYTES= 5-9", 5, 9),
    ],
)
def test_a_range_is_answered_with_206_and_its_bytes(link: str, asked: str, first: int, last: int) -> None:
    answer = fetch(link, Range=asked)
    assert (answer.status_code, answer.content) == (206, FIRMWARE[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["x-md5"] == MD5  # of the whole file
    assert answer.headers["etag"] == f'"{SHA256}"'


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=999999999999-"])
def test_a_range_behind_the_end_is_answered_with_416_and_the_size(link: str, asked: str) -> None:
    answer = fetch(link, Range=asked)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-4", "bytes=0-1,5-6", "items=0-1", "bytes=-", "bytes=a-b", "bytes=" + "9" * 40 + "-", ""]
)
def test_what_is_no_single_range_is_answered_with_the_whole_file(link: str, asked: str) -> None:
    answer = fetch(link, Range=asked)
    assert (answer.status_code, answer.content) == (200, FIRMWARE)
    assert answer.headers["content-length"] == str(SIZE)
    assert "content-range" not in answer.headers


def test_if_range_with_another_file_is_answered_with_the_whole_file(link: str) -> None:
    assert fetch(link, **{"Range": "bytes=1-2", "If-Range": f'"{SHA256}"'}).status_code == 206
    for other in ('"abc"', f'W/"{SHA256}"', "Sat, 28 Nov 2026 00:00:00 GMT"):
        assert fetch(link, **{"Range": "bytes=1-2", "If-Range": other}).status_code == 200


def test_nothing_makes_the_answer_304_or_compressed(link: str) -> None:
    answer = fetch(link, **{"If-None-Match": f'"{SHA256}"', "Accept-Encoding": "gzip, br", "x-ESP32-version": "1.1"})
    assert (answer.status_code, answer.content) == (200, FIRMWARE)
    assert {"content-encoding", "transfer-encoding", "location"}.isdisjoint(answer.headers)


def test_head_says_what_get_would_and_takes_no_download(link: str) -> None:
    for asked in ({}, {"Range": "bytes=0-9"}):
        head = httpx.head(link, headers=asked, trust_env=False)
        get = fetch(link, **asked)
        assert head.status_code == get.status_code
        assert {name: head.headers.get(name) for name in ("content-length", "etag", "x-md5", "content-range")} == {
            name: get.headers.get(name) for name in ("content-length", "etag", "x-md5", "content-range")
        }
        assert head.content == b""


def test_a_query_behind_the_link_changes_nothing(link: str) -> None:
    assert fetch(f"{link}?project_key=abc&imei=123&version=1.0").content == FIRMWARE


def test_a_connection_is_used_again_after_a_download(link: str) -> None:
    with httpx.Client(trust_env=False) as client:
        for _ in range(2):
            assert client.get(link).content == FIRMWARE
            assert client.head(link).status_code == 200


def test_a_link_of_nobody_is_answered_with_404_and_a_length(link: str) -> None:
    base, _, name = link.rpartition("/")
    token = base.rpartition("/")[2]
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A", "x" * 16, "%00" * 16, "é" * 16):
        answer = fetch(link.replace(token, wrong))
        assert (answer.status_code, answer.headers["content-length"]) == (404, str(len(answer.content)))
    assert fetch(f"{base}/another-name.bin").status_code == 200
    assert httpx.post(link, trust_env=False).status_code == 404
    assert name == "fw.bin"


def test_links_end_with_their_version_and_their_device(fleet: Fleet) -> None:
    version_id = fleet.version("1.1")
    first, second = fleet.device(), fleet.device()
    links = []
    for certificate in (first, second):
        with fleet.connected(certificate) as device:
            device.report({"version": "1.0"})
            links.append(check(device)["url"])
    fleet.api.call("DELETE", f"/device/{first.device_id}")
    assert [fetch(link).status_code for link in links] == [404, 200]
    fleet.api.call("PUT", f"/ota_version/{version_id}", json={"enabled": False})
    assert fetch(links[1]).status_code == 404
    fleet.api.call("PUT", f"/ota_version/{version_id}", json={"enabled": True})
    assert fetch(links[1]).status_code == 200
    fleet.api.call("DELETE", f"/ota_version/{version_id}")
    assert fetch(links[1]).status_code == 404


def test_a_device_has_four_links_at_most(fleet: Fleet) -> None:
    fleet.version("1.1")
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0"})
        links = [check(device)["url"] for _ in range(5)]
    assert [fetch(link, Range="bytes=0-0").status_code for link in links] == [404, 206, 206, 206, 206]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 30))
def test_a_span_is_within_the_file_or_empty(first: int, last: int, size: int) -> None:
    span = span_of(b"bytes=%d-%d" % (first, last), size)
    if last < first:
        assert span is None
    elif first >= size:
        assert span is not None
        assert span.last < span.first
    else:
        assert span == ByteSpan(first, min(last, size - 1))


def test_the_links_are_answered_byte_for_byte_on_http_1_0(link: str) -> None:
    answer = exchange(link, "GET {path} HTTP/1.0\n\n")
    assert answer.status_line.endswith(b"200 OK")
    assert answer.body == FIRMWARE
    assert b"transfer-encoding" not in answer.headers


def begun(link: str, count: int = 1) -> list[socket.socket]:
    """Downloads that read nothing yet, into small buffers."""
    parts = urlsplit(link)
    opened = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.settimeout(20)
        sock.connect((parts.hostname, parts.port))
        sock.sendall(f"GET {parts.path} HTTP/1.0\r\n\r\n".encode())
        opened.append(sock)
    return opened


def test_a_download_that_breaks_off_is_none_that_was_in_vain(fleet: Fleet) -> None:
    fleet.version("1.1", FIRMWARE * 2)
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0"})
        for _ in range(3):
            (sock,) = begun(check(device)["url"])
            assert len(sock.recv(1_000)) > 0
            sock.close()
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "downloading")
        assert check(device)["upgrade"]
    (upgrade,) = fleet.upgrades(certificate.device_id)
    assert (upgrade["downloads"], upgrade["state"]) == (0, "downloading")


def test_a_device_has_a_bounded_number_of_downloads_at_the_same_time(fleet: Fleet) -> None:
    fleet.version("1.1", FIRMWARE * 3)
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0"})
        link = check(device)["url"]
    opened = begun(link, 8)
    eventually(lambda: fetch(link).status_code == 503)
    assert fetch(link).headers["retry-after"] == "5"
    for sock in opened:
        with sock:
            received = b""
            while piece := sock.recv(65_536):
                received += piece
            assert received.endswith(FIRMWARE * 3)
    eventually(lambda: fetch(link, Range="bytes=0-0").status_code == 206)
