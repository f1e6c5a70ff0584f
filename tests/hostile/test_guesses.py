"""Whoever guesses passwords or DeviceKeys, lets devices create themselves without end, or sends names that nobody knows
is slowed down or refused by name; whoever was right before gets in."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.hostile.attacker import Target
from tests.hostile.conftest import StartStand
from tests.hostile.stand import SECONDS, Stand

ADDRESSES = 200  # from which the attacker comes, as a trusted proxy tells
HOME = "203.0.113.9"
ANSWER_TIMEOUT_S = 30


class Caller:
    """One connection, kept open, through which requests of many addresses come."""

    def __init__(self, port: int, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
        self._headers = {"Content-Type": "application/json", **headers}

    def close(self) -> None:
        self._connection.close()

    def post(self, path: str, body: Any, address: str = HOME) -> tuple[int, Any]:
        headers = self._headers | {"X-Forwarded-For": address}
        self._connection.request("POST", path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())


def addresses(target: Target) -> Iterator[tuple[int, str]]:
    """A number, and an address of 200 that come in turn; all of 2001:db8::/64 count as one."""
    for number in target.until_over():
        yield number, f"198.51.100.{number % ADDRESSES}" if number % 2 else f"2001:db8::{number % 60_000:x}"


def guess_passwords(target: Target) -> dict[str, int]:
    """How often each HTTP status came."""
    answers: Counter[str] = Counter()
    with closing(Caller(target.http_port)) as caller:
        for number, address in addresses(target):
            body = {"app_id": target.application[0], "account": "admin", "password": f"guess {number}"}
            answers[str(caller.post("/api/v1/admin_login", body, address)[0])] += 1
    return answers


def create_devices(target: Target) -> dict[str, int]:
    """Asks for certificates of devices that are not there, of a type that lets them create themselves and of none; how
    often each errcode came."""
    answers: Counter[str] = Counter()
    with closing(Caller(target.http_port, Authorization=f"Bearer {target.token}")) as caller:
        type_key = caller.post("/api/v1/device_type", {"name": "open", "auto_create": True})[1]["info"]["type_key"]
    with closing(Caller(target.http_port, **{"Project-Key": target.device[2]})) as caller:
        for number, address in addresses(target):
            body = {"device_key": f"guess {number}", "type_key": type_key if number % 3 else ""}
            answers[str(caller.post("/device/v1/certificate", body, address)[1].get("errcode", 0))] += 1
    return answers


def send_unknown_names(target: Target) -> list[int]:
    """Sends as many names that nobody knows as a body can hold, with a token and without; how many were named."""
    many = {f"device_typ{number}": number for number in range(40_000)}
    few = {f"app_i{number}": number for number in range(400)}
    named = []
    with closing(Caller(target.http_port, Authorization=f"Bearer {target.token}")) as caller:
        for number in target.until_over():
            path, body = ("/api/v1/device_type", many) if number % 2 else ("/api/v1/access_token", few)
            _, answer = caller.post(path, body)
            named.append(len(answer["errors"]))
    return [min(named), max(named)]


@pytest.fixture
def proxied(start_stand: StartStand) -> Stand:
    """A server behind a proxy on this machine."""
    return start_stand(THINGSTEAD_HTTP_TRUSTED_PROXIES="127.0.0.1")


def test_guessed_passwords_are_throttled_and_the_administrator_gets_in(proxied: Stand) -> None:
    credentials = proxied.credentials
    body = {
        "app_id": credentials.app_id,
        "account": credentials.admin_account,
        "password": credentials.admin_password,
    }
    with closing(Caller(proxied.server.http_port)) as caller:
        assert caller.post("/api/v1/admin_login", body)[1]["result"] is True
        outcome = proxied.withstand(guess_passwords)
        assert caller.post("/api/v1/admin_login", body)[1]["result"] is True
    outcome.check()
    [answers] = outcome.attack
    assert answers.keys() == {"200", "429"}
    assert proxied.server.logged("log-ins fail repeatedly")


def test_devices_create_themselves_within_their_rate(proxied: Stand) -> None:
    outcome = proxied.withstand(create_devices)
    outcome.check()
    [answers] = outcome.attack
    assert answers.keys() <= {"0", "404", "429"}
    assert answers["0"] <= 600 + 10 * (SECONDS + 10)  # at once, and then so many a second


def test_names_that_nobody_knows_are_named_up_to_a_bound(stand: Stand) -> None:
    outcome = stand.withstand(send_unknown_names)
    outcome.check()
    [[least, most]] = outcome.attack
    assert least >= 20
    assert most <= 24  # with the members that are missing
