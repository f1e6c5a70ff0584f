"""What the Project API tells of a device's messages and connections."""

from typing import Any

from tests.api.planes.plane import Plane, Played
from tests.api.registry.house import Api, House
from thingstead.services.shared.commits import settled

LOGS = ("event_logs", "command_logs", "connection_logs", "rejected_logs", "data_logs")


async def settle(house: House, device_id: str) -> None:
    """Returns when what was noted without waiting is on disk."""
    await settled(house.store.history.touch(await house.number(device_id), "event", 0))


async def test_logs_are_paged_newest_first(api: Api, device: Plane, house: House) -> None:
    path = f"device/{device.certificate['id']}/event_logs"
    for number in range(5):
        await device.ask("POST", "event/report", {"method": f"m{number}"})
        house.clock.advance(10)
    page = await api.get(path, page=2, page_records=2)
    assert ([item["method"] for item in page["items"]], page["total"], page["page_total"]) == (["m2", "m1"], 5, 3)


async def test_a_span_of_time_takes_both_its_ends(api: Api, device: Plane, house: House) -> None:
    begun = house.clock.now_ms()
    for number in range(5):
        await device.ask("POST", "event/report", {"method": f"m{number}"})
        await device.send("POST", "data/raw", content=b"%d" % number)
        house.clock.advance(10)
    span = {"start_time": begun + 10, "end_time": begun + 30}
    events = await api.get(f"device/{device.certificate['id']}/event_logs", **span)
    assert ([item["method"] for item in events["items"]], events["total"]) == (["m3", "m2", "m1"], 3)
    data = await api.get(f"device/{device.certificate['id']}/data_logs", **span)
    assert [item["payload"] for item in data["items"]] == ["3", "2", "1"]
    refusal = await api.refusal("GET", f"device/{device.certificate['id']}/event_logs", start_time=2, end_time=1)
    assert refusal.fields == {"start_time"}


async def test_events_of_one_method_are_listed_alone(api: Api, device: Plane) -> None:
    for method in ("opened", "closed", "opened"):
        await device.ask("POST", "event/report", {"method": method})
    path = f"device/{device.certificate['id']}/event_logs"
    page = await api.get(path, method="opened", page_records=1)
    assert ([item["method"] for item in page["items"]], page["total"], page["page_total"]) == (["opened"], 2, 2)
    assert (await api.get(path, method="turned"))["total"] == 0


async def test_a_command_shows_how_far_it_came(api: Api, app: Plane, played: Played) -> None:
    await app.ask("POST", "command/send", {"method": "turn", "params": {"by": 3}})
    command = await played.commands.get()
    path = f"device/{app.certificate['id']}/command_logs"
    item = (await api.get(path))["items"][0]
    assert (item["method"], item["params"], item["command_id"]) == ("turn", {"by": 3}, 1000)
    assert "reply" not in item
    body = b'{"method":"turn","params":{"ok":true}}'
    outcome = played._control.reply(played.device, 1000, body)
    assert outcome.commit is not None
    await settled(outcome.commit)
    item = (await api.get(path))["items"][0]
    assert (item["state"], item["reply"]) == ("replied", {"method": "turn", "params": {"ok": True}})
    assert command.command_row_id == item["id"]


async def test_a_connection_is_told_from_its_beginning_to_its_end(api: Api, played: Played, house: House) -> None:
    await played.connect("session2")
    await house.platform.presence.close(played.device, "session2", "keep alive")
    await settle(house, played.device.id)
    page = await api.get(f"device/{played.device.id}/connection_logs")
    told = [(item["online"], item["reason"], item.get("replaced")) for item in page["items"]]
    assert told == [(False, "keep alive", None), (True, "taken over", "session1"), (True, "connected", None)]
    assert page["items"][1]["client_id"] == "client of session2"


async def test_a_device_without_messages_has_empty_logs(api: Api, certificate: dict[str, Any]) -> None:
    for log in LOGS:
        assert await api.get(f"device/{certificate['id']}/{log}") == {"items": [], "total": 0, "page_total": 0}


async def test_the_detail_shows_the_live_session(api: Api, played: Played, house: House) -> None:
    detail = await api.get(f"device/{played.device.id}")
    assert detail["session"] == {
        "protocol": "mqtt",
        "client_id": "client of session1",
        "remote_address": "10.0.0.1",
        "connected_at": house.clock.now_ms(),
    }
    assert "certificate_conflict" not in detail
    await house.platform.presence.close(played.device, "session1", "gone")
    assert "session" not in await api.get(f"device/{played.device.id}")


async def test_the_detail_shows_who_fights_over_a_certificate(api: Api, played: Played, house: House) -> None:
    for session_id in ("b", "a", "b", "a"):
        await played.connect(session_id)
    await settle(house, played.device.id)
    detail = await api.get(f"device/{played.device.id}")
    assert detail["certificate_conflict"] == [
        {"client_id": "client of a", "remote_address": "10.0.0.1"},
        {"client_id": "client of b", "remote_address": "10.0.0.1"},
    ]
    house.clock.advance(60_001)
    assert "certificate_conflict" not in await api.get(f"device/{played.device.id}")


async def test_administrators_find_and_reset_the_keys_of_the_planes(api: Api, house: House) -> None:
    project = await house.platform.projects.get(api.project_id)
    keys = {"project_key": project.project_key, "view_key": project.view_key}
    info = await api.get("project/connection_info")
    assert {name: info[name] for name in info if name != "endpoints"} == keys
    reset = await api.call("POST", "project/view_secret_reset")
    assert (reset["view_key"], len(reset["view_secret"])) == (project.view_key, 40)
    changed = await house.platform.projects.get(api.project_id)
    assert changed.view_secret_hash != project.view_secret_hash
    assert reset["view_secret"].encode() not in changed.view_secret_hash


async def test_everything_is_listed_in_one_order_and_page_by_page(api: Api, device: Plane, house: House) -> None:
    path = f"device/{device.certificate['id']}"
    for number in range(4):  # three of each instant
        await device.ask("POST", "event/report", {"method": f"m{number}"})
        await device.send("POST", "data/raw", content=b"%d" % number)
        await device.send("POST", "attributes", content=b"{")
        await settle(house, device.certificate["id"])
        house.clock.advance(number % 2)
    whole = (await api.get(f"{path}/message_logs", limit=200))["items"]
    assert sorted({item["kind"] for item in whole}) == ["data", "event", "rejected"]
    assert [item["ts"] for item in whole] == sorted((item["ts"] for item in whole), reverse=True)
    assert len(whole) == 12
    found, before = [], ""
    for _ in range(10):
        page = await api.get(f"{path}/message_logs", limit=2, **({"before": before} if before else {}))
        found += page["items"]
        before = page.get("next_before", "")
        if not before:
            break
    assert found == whole
    events = await api.get(f"{path}/message_logs", kinds="event")
    assert [item["event"]["method"] for item in events["items"]] == ["m3", "m2", "m1", "m0"]


async def test_a_list_of_everything_ends_early_where_entries_are_large(api: Api, device: Plane, house: House) -> None:
    path = f"device/{device.certificate['id']}/message_logs"
    text = "x" * 1_000_000
    for number in range(20):  # more bytes than an answer may have
        await device.ask("POST", "event/report", {"method": f"m{number}", "params": {"text": text}})
        house.clock.advance(1)
    found, before, parts = [], "", 0
    while parts == 0 or before:
        page = await api.get(path, limit=200, **({"before": before} if before else {}))
        found += [item["event"]["method"] for item in page["items"]]
        before, parts = page.get("next_before", ""), parts + 1
    assert found == [f"m{number}" for number in reversed(range(20))]
    assert parts == 2


async def test_a_list_of_everything_refuses_what_it_does_not_know(api: Api, certificate: dict[str, Any]) -> None:
    path = f"device/{certificate['id']}/message_logs"
    assert await api.get(path) == {"items": []}
    for query in ({"kinds": "event,alarm"}, {"before": "x"}, {"before": "1-"}, {"before": "1-" + "9" * 40}):
        assert (await api.refusal("GET", path, **query)).fields == set(query)


async def test_a_checklist_says_what_was_found_and_what_to_do(api: Api, certificate: dict[str, Any]) -> None:
    checks = (await api.get(f"device/{certificate['id']}/diagnosis"))["checks"]
    session = next(check for check in checks if check["check"] == "session")
    assert (session["state"], session["code"]) == ("bad", "never_connected")
    assert session["message"]
    assert session["advice"]
