"""What people edit has a version: a change that names the one that was read is refused where somebody was quicker."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House, administrator

RULE = {"raise": {"attribute": "t", "op": ">", "value": 1}}


async def created(api: Api, what: str) -> tuple[str, str]:
    """The path of something new, and the one at which it is changed."""
    body: dict[str, Any] = {"name": "first"}
    if what == "customer":
        body |= {"account": "anna", "password": "secret-1"}
    if what == "alarm_rule":
        body |= RULE | {"devices": [await api.new_device()]}
    made = await api.call("POST", what, body)
    path = f"{what}/{made.get('id') or made.get('app_id')}"
    return path, path if what in ("alarm_rule", "notify_group") else f"{path}/info"


@pytest.mark.parametrize("what", ["device", "device_type", "device_group", "customer", "alarm_rule", "notify_group"])
async def test_of_two_who_change_the_same_the_second_is_refused_and_told_the_present_version(
    api: Api, house: House, what: str
) -> None:
    path, changed_at = await created(api, what)
    assert (await api.get(path))["version"] == 1
    await api.call("PUT", changed_at, {"name": "second", "version": 1})
    assert (await api.get(path))["version"] == 2
    response = await api.client.put(f"/api/v1/{changed_at}", json={"name": "third", "version": 1})
    answer = response.json()
    assert (answer["errcode"], answer["code"]) == (409, "version_stale")
    assert answer["info"] == {"version": 2, "by": "API", "ts": house.clock.now_ms()}
    found = await api.get(path)
    assert (found["name"], found["version"]) == ("second", 2)
    await api.call("PUT", changed_at, {"name": "fourth"})  # whoever names none takes it as it is
    assert (await api.get(path))["version"] == 3


@pytest.mark.parametrize(
    ("read_at", "changed_at", "bodies"),
    [
        ("project", "project/info", ({"name": "one"}, {"name": "two"})),
        ("retention", "retention", ({"rules": [{"days": 90}]}, {"rules": [{"days": 30}]})),
    ],
)
async def test_of_two_administrators_who_change_what_a_project_has_once_the_second_is_refused(
    api: Api, house: House, read_at: str, changed_at: str, bodies: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    headers = await administrator(api, house)

    async def put(body: dict[str, Any]) -> Any:
        return (await api.client.put(f"/api/v1/{changed_at}", json=body, headers=headers)).json()

    version = (await api.get(read_at))["version"]
    first, second = bodies
    assert (await put({**first, "version": version}))["result"] is True
    now = house.clock.now_ms()
    house.clock.advance(1000)
    answer = await put({**second, "version": version})
    assert (answer["errcode"], answer["code"]) == (409, "version_stale")
    assert answer["info"] == {"version": version + 1, "by": "admin", "ts": now}
    found = await api.get(read_at)
    assert {name: found[name] for name in first} == first
    assert (await put({**second, "version": found["version"]}))["result"] is True


async def test_rules_that_wait_and_that_are_withdrawn_count_as_changes_of_retention(api: Api, house: House) -> None:
    device_id = await api.new_device()
    await house.report(device_id, t=1)
    await house.store.history.packer.pack(whole=True)
    house.clock.advance(20 * 86_400_000)
    headers = await administrator(api, house)
    path, body = "/api/v1/retention", {"rules": [{"days": 10}], "version": 1}
    await api.client.put(path, json=body, headers=headers)
    waiting = await api.get("retention")
    assert (waiting["rules"], waiting["version"]) == ([], 2)
    assert waiting["pending"] is not None
    assert (await api.client.put(path, json=body, headers=headers)).json()["info"]["version"] == 2
    await api.client.delete(f"{path}/pending", headers=headers)
    assert (await api.get("retention"))["version"] == 3
    await house.reopen()
    assert (await api.get("retention"))["version"] == 3


async def test_the_type_and_the_gateway_of_a_device_and_a_definition_have_it_too(api: Api) -> None:
    type_id = await api.new_type(conn_type="2")
    gateway = await api.new_device(type=await api.new_type(conn_type="3"))
    device_id = await api.new_device()
    for path, body in (
        (f"device/{device_id}/type", {"type": type_id}),
        (f"device/{device_id}/gateway", {"gateway": gateway, "sub_address": "1"}),
        (f"device_type/{type_id}/functions", {"functions": {}}),
    ):
        refusal = await api.refusal("PUT", path, {**body, "version": 7})
        assert (refusal.errcode, refusal.fields) == (409, set())
        await api.call("PUT", path, body)
    assert (await api.get(f"device/{device_id}"))["version"] == 3


async def test_tags_count_as_changes_and_reports_do_not(api: Api, house: House) -> None:
    device_id = await api.new_device()
    await house.report(device_id, t=1)
    assert (await api.get(f"device/{device_id}"))["version"] == 1
    await api.call("PUT", f"device/{device_id}/tags", {"tags": {"site": "x"}})
    assert (await api.get(f"device/{device_id}"))["version"] == 2
    await house.reopen()
    assert (await api.get("devices"))["items"][0]["version"] == 2


async def test_who_changes_what_is_not_there_is_told_that(api: Api) -> None:
    refusal = await api.refusal("PUT", "device/nosuch00/info", {"name": "x", "version": 1})
    assert refusal.errcode == 404


@pytest.mark.parametrize("version", [0, -1, "1", 1.5])
async def test_a_version_is_a_count(api: Api, version: Any) -> None:
    refusal = await api.refusal("PUT", f"device/{await api.new_device()}/info", {"name": "x", "version": version})
    assert (refusal.errcode, refusal.fields) == (400, {"version"})
