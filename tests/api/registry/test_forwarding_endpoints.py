"""Forwarding targets through the API: kept, refused, changed; secrets stay secret."""

from typing import Any

import pytest

from tests.api.registry.house import Api

ADDRESS = {"url": "https://erp.example.com/in?site=1"}
SMALLEST: dict[str, Any] = {"name": "ERP", "kinds": ["attributes"], "url": ADDRESS}


def with_address(**more: Any) -> dict[str, Any]:
    return {"url": {**ADDRESS, **more}}


async def test_a_target_is_shown_as_it_was_given_without_its_secrets(api: Api) -> None:
    type_id, device_id = await api.new_type(), await api.new_device(name="d")
    given = {"types": [type_id], "devices": [device_id], "tags": {"site": "north"}, "batch": False, "enabled": False}
    secrets = {"secret": "a-secret-word", "headers": {"X-Key": "a-secret-key"}}
    made = await api.call("POST", "forward_target", {**SMALLEST, **given, **with_address(**secrets)})
    assert "secret" not in made
    shown = await api.get(f"forward_target/{made['id']}")
    hidden = with_address(secret="***", headers={"X-Key": "***"})
    assert {name: shown[name] for name in (*given, "url")} == {**given, **hidden}
    assert (shown["kind"], shown["version"]) == ("url", 1)
    assert (await api.get("forward_targets", enabled=0, keyword="erp"))["items"] == [shown]
    assert (await api.get("forward_targets", enabled=1))["items"] == []
    assert (await api.get(f"forward_target/{made['id']}/statistics"))["state"] == "off"
    assert "a-secret" not in str(await api.get("forward_targets"))


async def test_the_server_makes_a_secret_and_tells_it_once(api: Api) -> None:
    made = await api.call("POST", "forward_target", SMALLEST)
    assert len(made["secret"]) > 40
    path = f"forward_target/{made['id']}"
    shown = await api.get(path)
    assert shown["url"]["secret"] == "***"
    assert "secret" not in shown
    kept = await api.call("PUT", path, {"url": ADDRESS, "name": "other"})
    assert "secret" not in kept
    moved = await api.call("PUT", path, {"url": {"url": "https://other.example.com/"}})
    assert moved["secret"] not in ("***", made["secret"])


async def test_a_hidden_secret_stays_where_it_is_and_goes_nowhere_else(api: Api) -> None:
    secrets = {"secret": "word", "headers": {"X-Key": "key"}}
    path = f"forward_target/{(await api.call('POST', 'forward_target', SMALLEST | with_address(**secrets)))['id']}"
    hidden = {"secret": "***", "headers": {"x-key": "***", "X-New": "new"}}
    changed = await api.call("PUT", path, with_address(**hidden))
    assert changed["url"]["headers"] == {"x-key": "***", "X-New": "***"}
    stolen = await api.refusal("PUT", path, {"url": {"url": "https://thief.example.com/", **hidden}})
    assert stolen.fields == {"url.secret", "url.headers.x-key"}
    new = await api.refusal("POST", "forward_target", SMALLEST | with_address(secret="***"))
    assert new.fields == {"url.secret"}
    test = await api.refusal("POST", "forward_target_test", {"target": SMALLEST | with_address(secret="***")})
    assert test.fields == {"url.secret"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"kinds": []}, "kinds"),
        ({"kinds": ["weather"]}, "kinds[0]"),
        ({"types": ["nowhere"]}, "types[0]"),
        ({"devices": ["nowhere"]}, "devices[0]"),
        ({"tags": {"": "x"}}, "tags"),
        ({"name": ""}, "name"),
        ({"url": None}, "url"),
        ({"url": {"url": "ftp://example.com/"}}, "url.url"),
        ({"url": {"url": "https://user:word@example.com/"}}, "url.url"),
        ({"url": {"url": "https://example.com/", "headers": {"Host": "x"}}}, "url.headers.Host"),
        ({"url": {"url": "https://example.com/", "headers": {"X-A": "a\r\nX-B: b"}}}, "url.headers.X-A"),
        ({"url": {"url": "https://example.com/", "headers": {"X-Thingstead-Id": "x"}}}, "url.headers.X-Thingstead-Id"),
        ({"url": {"url": "https://example.com/", "proxy": "x"}}, "url.proxy"),
    ],
)
async def test_an_invalid_target_is_refused_with_the_field(api: Api, more: dict[str, Any], field: str) -> None:
    refused = await api.refusal("POST", "forward_target", {**SMALLEST, **more})
    assert {name[: len(field)] for name in refused.fields} == {field}


async def test_a_project_has_twenty_targets_at_most(api: Api) -> None:
    for _ in range(20):
        await api.call("POST", "forward_target", {**SMALLEST, "enabled": False})
    refused = await api.refusal("POST", "forward_target", SMALLEST)
    assert refused.errcode == 409


async def test_targets_of_other_projects_do_not_exist(api: Api, stranger: Api) -> None:
    target_id = (await api.call("POST", "forward_target", SMALLEST))["id"]
    path = f"forward_target/{target_id}"
    for method, place in (
        *(("GET", f"{path}{rest}") for rest in ("", "/statistics", "/dead_letters")),
        *(("POST", f"{path}/{rest}") for rest in ("replay", "retry")),
        *(("DELETE", f"{path}{rest}") for rest in ("", "/dead_letters")),
        ("PUT", path),
    ):
        body: Any = None if method in ("GET", "DELETE") else {}
        assert (await stranger.refusal(method, place, body)).errcode == 404, place
    assert (await stranger.refusal("POST", "forward_target_test", {"target_id": target_id})).errcode == 404
