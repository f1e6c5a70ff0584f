"""What the clients of real devices send, byte by byte, and what they accept: docs/ota.md names them."""

from collections.abc import Iterator

import pytest

from tests.ota.fleet import FIRMWARE, Fleet, check, digests, exchange
from tests.running import Running, eventually

SIZE = len(FIRMWARE)
ESP8266 = """GET {path} HTTP/1.0
Host: {host}
User-Agent: ESP8266-http-Update
Connection: close
x-ESP8266-Chip-ID: 1458400
x-ESP8266-STA-MAC: 5C:CF:7F:16:40:E0
x-ESP8266-AP-MAC: 5E:CF:7F:16:40:E0
x-ESP8266-free-space: 2818048
x-ESP8266-sketch-size: 303184
x-ESP8266-sketch-md5: 6f5902ac237024bdd0c176cb93063dc4
x-ESP8266-chip-size: 4194304
x-ESP8266-sdk-version: 2.2.2-dev(38a443e)
x-ESP8266-mode: sketch
x-ESP8266-version: 1.0.0

"""
ESP32 = """GET {path} HTTP/1.0
Host: {host}
User-Agent: ESP32-http-Update
Connection: close
Cache-Control: no-cache
x-ESP32-STA-MAC: 24:6F:28:00:00:00
x-ESP32-AP-MAC: 24:6F:28:00:00:01
x-ESP32-free-space: 1966080
x-ESP32-sketch-size: 900000
x-ESP32-sketch-md5: 6f5902ac237024bdd0c176cb93063dc4
x-ESP32-sketch-sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
x-ESP32-chip-size: 4194304
x-ESP32-sdk-version: v4.4.6
x-ESP32-mode: sketch
x-ESP32-version: 1.1.0

"""
PLAIN = "GET {path} HTTP/1.1\nHost: {host}\nUser-Agent: ESP32 HTTP Client/1.0\n\n"
HEAD = "HEAD {path} HTTP/1.1\nHost: {host}\nUser-Agent: ESP32 HTTP Client/1.0\n\n"
LUATOS = "GET {path} HTTP/1.0\nHost: {host}\nConnection: Close\n\n"
LUATASK = "GET {path} HTTP/1.1\nHost: {host}\nAccept: */*\nConnection: keep-alive\n\n"


def ranged(span: str, request: str = PLAIN) -> str:
    return request.replace("\n\n", f"\nRange: bytes={span}\n\n")


@pytest.fixture(scope="module")
def link(running: Running) -> Iterator[str]:
    fleet = Fleet(running)
    fleet.version("1.1.0")
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0.0"})
        yield check(device)["url"]


@pytest.mark.parametrize("request_text", [ESP8266, ESP32], ids=["ESP8266httpUpdate", "HTTPUpdate"])
def test_arduino_updaters_get_200_a_length_and_the_md5(link: str, request_text: str) -> None:
    answer = exchange(link, request_text)
    assert answer.status_line.split()[1] == b"200"  # 206, 302 and 304 are failures for them
    assert int(answer.headers[b"content-length"]) == SIZE > 0
    assert answer.headers[b"x-md5"].decode() == digests(FIRMWARE)["md5"]
    assert len(answer.headers[b"x-md5"]) == 32
    assert answer.body[0] == 0xE9
    assert answer.body == FIRMWARE
    assert b"transfer-encoding" not in answer.headers


def test_luatos_http_request_gets_200_and_the_file(link: str) -> None:
    answer = exchange(link, LUATOS)
    assert (answer.status_line.split()[1], answer.body) == (b"200", FIRMWARE)


def test_luatask_update_appends_a_query_and_gets_200_without_a_redirect(link: str) -> None:
    answer = exchange(f"{link}?project_key=k&imei=866714047000000&version=1.0.0", LUATASK)
    assert (answer.status_line.split()[1], answer.body) == (b"200", FIRMWARE)
    assert b"location" not in answer.headers


def test_esp_https_ota_reads_the_size_by_head_and_then_pieces_up_to_one_past_the_end(link: str) -> None:
    head = exchange(link, HEAD)
    assert (head.status_line.split()[1], int(head.headers[b"content-length"])) == (b"200", SIZE)
    image, step = b"", 65_536
    for first in range(0, SIZE, step):
        last = min(first + step, SIZE)  # its last range ends at the length
        answer = exchange(link, ranged(f"{first}-{last - 1 if last < SIZE else last}"))
        assert answer.status_line.split()[1] == b"206"
        image += answer.body
    assert image == FIRMWARE


def test_esp_https_ota_reads_the_size_by_the_first_byte_and_resumes(link: str) -> None:
    first = exchange(link, ranged("0-0"))
    assert first.headers[b"content-range"] == b"bytes 0-0/%d" % SIZE
    assert exchange(link, ranged("0-")).body == FIRMWARE
    resumed = exchange(link, ranged("100000-"))
    assert (resumed.status_line.split()[1], resumed.body) == (b"206", FIRMWARE[100_000:])
    assert exchange(link, PLAIN).body == FIRMWARE


def test_a_luatos_resume_appends_only_what_it_has_not(link: str) -> None:
    held = FIRMWARE[:50_000]
    answer = exchange(link, ranged(f"{len(held)}-", LUATOS))
    assert held + answer.body == FIRMWARE
    whole = exchange(link, ranged(f"{SIZE}-", LUATOS))
    assert (whole.status_line.split()[1], whole.body) == (b"416", b"")  # and not the whole file again


def test_the_sequence_of_the_esp_sample(fleet: Fleet) -> None:
    """It takes ``url`` and ``version`` of whatever command it gets, starts at once, sends no reply, and names the new
    version as the one that it runs."""
    fleet.version("1.1.0")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0.0"})
        params = check(device)
        answer = exchange(params["url"], ESP32.replace("1.1.0", params["version"]))
        assert answer.body == FIRMWARE
    with fleet.connected(certificate) as device:  # after its restart
        device.report({"version": "1.1.0"})
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "verified")
        assert "url" not in check(device)


def test_the_sequence_of_the_luatos_sample(fleet: Fleet) -> None:
    """It asks when it connects and every 12 hours, and replies with another method than that of the command."""
    fleet.version("1.1.0")
    certificate = fleet.device()
    with fleet.connected(certificate) as device:
        device.report({"version": "1.0.0"})
        params = check(device)
        assert params["upgrade"] is True
        assert exchange(params["url"], LUATOS).body == FIRMWARE
        device.report({"method": "otaFinished", "params": {"ota_result": 0}}, "command/reply/1000")
        eventually(lambda: fleet.upgrades(certificate.device_id)[0]["state"] == "finished")
    with fleet.connected(certificate) as device:
        device.report({"version": "1.1.0"})
        assert check(device)["upgrade"] is False
    assert fleet.upgrades(certificate.device_id)[0]["state"] == "verified"


def test_a_sub_device_asks_and_is_told_through_its_gateway(fleet: Fleet) -> None:
    gateways = Fleet(fleet.running, conn_type="3")
    subs = Fleet(fleet.running, conn_type="2")
    subs.version("1.1.0")
    gateway = gateways.device()
    sub_id = fleet.api.call(
        "POST", "/device", json={"name": "s", "type": subs.type_id, "gateway": gateway.device_id, "sub_address": "s1"}
    )["id"]
    with gateways.connected(gateway) as device:
        device.subscribe("gateway/command/send")
        device.report({"s1": {"version": "1.0.0"}}, "gateway/attributes")
        device.report({"device": "s1", "event": {"method": "otaCheck", "params": {}}}, "gateway/event/report")
        command = device.next("gateway/command/send")
        params = command["command"]["params"]
        assert (command["device"], params["version"]) == ("s1", "1.1.0")
        assert exchange(params["url"], PLAIN).body == FIRMWARE
        device.report({"s1": {"version": "1.1.0"}}, "gateway/attributes")
        eventually(lambda: subs.upgrades(sub_id)[0]["state"] == "verified")
