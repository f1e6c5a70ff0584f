"""A device asks for its certificate; and what happens to those who guess."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.planes.plane import OK, Plane
from tests.api.registry.house import Api, House
from thingstead.api.device.certificate import NAME_BYTES, shortened
from thingstead.api.device.dialect import failure
from thingstead.errors import NotFound
from thingstead.refusals import TEXTS

Connect = Callable[..., httpx.AsyncClient]
FIRMWARE_BYTES = 256  # of an answer that official firmware parses
PLACEHOLDER = re.compile(r"\{(\w+)")


@pytest.fixture
def fresh(house: House, api: Api, connect: Connect) -> httpx.AsyncClient:
    """A device that knows nothing but the ProjectKey."""
    client = connect(house.serve, "10.0.0.3")
    client.headers["Project-Key"] = api.project_key
    return client


async def ask(client: httpx.AsyncClient, **body: Any) -> Any:
    response = await client.post("/device/v1/certificate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_registered_device_gets_its_certificate(api: Api, fresh: httpx.AsyncClient) -> None:
    device_id = await api.new_device(name="泵 1", device_key="IMEI1")
    certificate = await api.get(f"device/{device_id}/certificate")
    assert await ask(fresh, device_key="IMEI1", type_key="", customer_id=None) == {
        "result": 1,
        "device": {
            "id": device_id,
            "name": "泵 1",
            "access_token": certificate["access_token"],
            "conn_type": "1",
        },
    }


async def test_a_device_creates_itself_where_its_type_allows_it(
    api: Api, fresh: httpx.AsyncClient, connect: Connect, house: House
) -> None:
    type_id = await api.new_type(auto_create=True, conn_type="3")
    type_key = (await api.get(f"device_type/{type_id}"))["type_key"]
    answer = await ask(fresh, device_key="IMEI2", type_key=type_key)
    assert answer["device"]["conn_type"] == "3"
    assert await ask(fresh, device_key="IMEI2", type_key=type_key) == answer
    certificate = {"access_token": answer["device"]["access_token"], "project_key": api.project_key}
    plane = Plane(connect(house.serve), "/device/v1", certificate)
    assert await plane.ask("POST", "attributes", {"level": 1}) == OK


async def test_a_customer_who_is_named_gets_the_device(api: Api, fresh: httpx.AsyncClient) -> None:
    await api.new_device(device_key="IMEI3")
    body = {"name": "Alice", "account": "alice", "password": "a long password"}
    customer_id = (await api.call("POST", "customer", body))["id"]
    await ask(fresh, device_key="IMEI3", customer_id=customer_id)
    assert (await api.get(f"customer/{customer_id}"))["count"] == {"device_count": 1}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"device_key": "unknown"}, 404),
        ({"device_key": "unknown", "type_key": "unknown"}, 404),
        ({"device_key": ""}, 400),
        ({"device_key": "x" * 129}, 400),
        ({"device_key": 1}, 400),
        ({}, 400),
        ([], 400),
    ],
)
async def test_a_refusal_says_why(fresh: httpx.AsyncClient, body: Any, errcode: int) -> None:
    response = await fresh.post("/device/v1/certificate", json=body)
    answer = response.json()
    assert (response.status_code, answer["result"], answer["errcode"]) == (200, 0, errcode)
    assert answer["message"]
    assert answer["code"] in TEXTS
    assert len(response.content) <= FIRMWARE_BYTES


@pytest.mark.parametrize("code", TEXTS)
def test_a_refusal_fits_into_the_memory_of_small_devices_whatever_its_code(code: str) -> None:
    arguments = dict.fromkeys(PLACEHOLDER.findall(TEXTS[code]["en"]), 10**9)
    body = failure(NotFound(code, **arguments)).body
    assert len(body) <= FIRMWARE_BYTES
    assert json.loads(body).keys() == {"result", "errcode", "message", "code"}


async def test_a_type_that_does_not_allow_it_creates_nothing(api: Api, fresh: httpx.AsyncClient) -> None:
    type_key = (await api.get(f"device_type/{await api.new_type()}"))["type_key"]
    assert (await ask(fresh, device_key="IMEI4", type_key=type_key))["errcode"] == 403
    assert (await api.get("devices"))["total"] == 0


async def test_a_wrong_project_key_is_401(fresh: httpx.AsyncClient) -> None:
    fresh.headers["Project-Key"] = "wrong"
    response = await fresh.post("/device/v1/certificate", json={"device_key": "IMEI1"})
    assert (response.status_code, response.json()["errcode"]) == (401, 401)


async def test_the_answer_fits_into_the_memory_of_small_devices(api: Api, fresh: httpx.AsyncClient) -> None:
    await api.new_device(name="泵" * 128, device_key="IMEI5")
    response = await fresh.post("/device/v1/certificate", json={"device_key": "IMEI5"})
    assert response.json()["device"]["name"] == "泵" * 20
    assert list(response.json()["device"]) == ["id", "name", "access_token", "conn_type"]
    assert len(response.content) <= 170


@pytest.mark.parametrize("name", ["x" * 60, "x" * 61, "泵" * 20, "x" + "泵" * 20, "🚰" * 16, ""])
def test_a_name_is_cut_between_characters(name: str) -> None:
    short = shortened(name)
    assert name.startswith(short)
    assert len(short.encode()) <= NAME_BYTES
    assert short == name or len((name[: len(short) + 1]).encode()) > NAME_BYTES


async def test_wrong_certificates_are_throttled_and_right_ones_are_not(device: Plane, house: House) -> None:
    token = device.certificate["access_token"]
    device.certificate["access_token"] = "0123456789abcdef"
    statuses = [(await device.send("GET", "attributes")).status_code for _ in range(101)]
    assert statuses == [401] * 100 + [429]
    device.certificate["access_token"] = token
    assert await device.ask("POST", "attributes", {"level": 1}) == OK
    device.certificate["access_token"] = "0123456789abcdef"
    house.clock.advance(60_000)
    assert (await device.send("GET", "attributes")).status_code == 401


async def test_an_address_that_tries_device_keys_must_wait(api: Api, fresh: httpx.AsyncClient, house: House) -> None:
    await api.new_device(device_key="IMEI6")
    for number in range(100):
        assert (await ask(fresh, device_key=f"guess {number}"))["errcode"] == 404
    response = await fresh.post("/device/v1/certificate", json={"device_key": "IMEI6"})
    assert (response.status_code, response.json()["errcode"]) == (429, 429)
    assert int(response.headers["retry-after"]) >= 1
    house.clock.advance(60_000)
    assert (await ask(fresh, device_key="IMEI6"))["result"] == 1


async def test_asking_for_ones_own_certificate_is_never_throttled(api: Api, fresh: httpx.AsyncClient) -> None:
    await api.new_device(device_key="IMEI7")
    for _ in range(150):
        assert (await ask(fresh, device_key="IMEI7"))["result"] == 1


async def test_guesses_of_many_addresses_are_throttled_by_project_but_for_those_who_were_right_before(
    api: Api, fresh: httpx.AsyncClient, house: House, connect: Connect
) -> None:
    await api.new_device(device_key="IMEI8")
    assert (await ask(fresh, device_key="IMEI8"))["result"] == 1
    headers = {"Project-Key": api.project_key}
    for number in range(1000):
        guesser = connect(house.serve, f"10.9.0.{number // 50}")
        guesser.headers.update(headers)
        assert (await ask(guesser, device_key=f"guess {number}"))["errcode"] == 404
    stranger = connect(house.serve, "10.9.1.1")
    response = await stranger.post("/device/v1/certificate", json={"device_key": "IMEI8"}, headers=headers)
    assert response.status_code == 429
    assert (await ask(fresh, device_key="IMEI8"))["result"] == 1


async def test_a_certificate_may_not_be_stored_on_its_way(api: Api, fresh: httpx.AsyncClient) -> None:
    await api.new_device(device_key="IMEI9")
    response = await fresh.post("/device/v1/certificate", json={"device_key": "IMEI9"})
    assert response.headers["cache-control"] == "no-store"


async def answered(house: House, connect: Connect, certificate: dict[str, str], project_key: str) -> int:
    """The status of a report with this ProjectKey, after a restart."""
    await house.reopen()
    client = connect(house.serve)
    path = f"/device/v1/{certificate['access_token']}/attributes"
    return (await client.post(path, json={"level": 1}, headers={"Project-Key": project_key})).status_code


async def test_both_keys_open_until_the_grace_of_a_rotation_ends(
    api: Api, device: Plane, fresh: httpx.AsyncClient, house: House, connect: Connect
) -> None:
    old = api.project_key
    await api.new_device(device_key="IMEI10")
    info = await api.call("POST", "project/project_key_rotate", {"grace_days": 2})
    new, day = info["project_key"], 86_400_000
    assert (info["previous_project_key"], info["previous_key_until"]) == (old, house.clock.now_ms() + 2 * day)
    assert new != old
    assert (await api.get(f"device/{device.certificate['id']}/certificate"))["project_key"] == new
    for key in (old, new):
        assert await answered(house, connect, device.certificate, key) == 200
        fresh.headers["Project-Key"] = key
        assert (await ask(fresh, device_key="IMEI10"))["result"] == 1
    assert house.platform.presence.previous_key_log_ins == 0  # of this opening
    assert (await api.refusal("POST", "project/project_key_rotate")).errcode == 409
    house.clock.advance(2 * day)
    assert await answered(house, connect, device.certificate, old) == 401
    assert await answered(house, connect, device.certificate, new) == 200
    fresh.headers["Project-Key"] = old
    assert (await fresh.post("/device/v1/certificate", json={"device_key": "IMEI10"})).status_code == 401
    left = await api.get("project/connection_info")
    assert (left["project_key"], "previous_project_key" in left) == (new, False)


async def test_a_rotation_without_grace_ends_every_old_key_at_once(
    api: Api, device: Plane, house: House, connect: Connect
) -> None:
    first = api.project_key
    second = (await api.call("POST", "project/project_key_rotate", {}))["project_key"]
    third = (await api.call("POST", "project/project_key_rotate", {"grace_days": 0}))["project_key"]
    statuses = [await answered(house, connect, device.certificate, key) for key in (first, second, third)]
    assert statuses == [401, 401, 200]
    assert (await api.refusal("POST", "project/project_key_rotate", {"grace_days": 400})).fields == {"grace_days"}


async def test_log_ins_with_the_key_before_are_counted(api: Api, device: Plane, house: House) -> None:
    await api.call("POST", "project/project_key_rotate", {})
    await device.ask("POST", "attributes", {"level": 1})
    assert house.platform.presence.previous_key_log_ins == 1
