"""Lists of devices, narrowed and paged, and the counts over them."""

from typing import Any
from unittest.mock import ANY

import pytest

from tests.api.registry.house import Api, House
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.device import DeviceSession


async def names(api: Api, **query: Any) -> list[str]:
    """The names on a page of the list."""
    return [item["name"] for item in (await api.get("devices", **query))["items"]]


async def connect_device(house: House, api: Api, device_id: str) -> None:
    device = await house.platform.devices.get(api.project_id, device_id)
    session = DeviceSession(
        session_id=f"s-{device_id}", node="node", protocol="mqtt", connected_at=house.clock.now_ms()
    )
    await house.platform.presence.open(device, session)


async def raise_alarm(house: House, api: Api, device_id: str, level: int, rule_id: str = "rule") -> None:
    await house.record(
        AlarmLog(
            id=f"alarm-{device_id}-{rule_id}",
            alarm_id=f"alarm-{device_id}-{rule_id}",
            project_id=api.project_id,
            device_id=device_id,
            rule_id=rule_id,
            alarm_status=1,
            alarm_level=level,
            ts=house.clock.now_ms(),
            create_time=house.clock.now_ms(),
        )
    )


async def test_an_empty_list_has_no_page(api: Api) -> None:
    assert await api.get("devices") == {"items": [], "total": 0, "page_total": 0}


async def test_a_list_is_paged_by_20_from_the_oldest(api: Api, house: House) -> None:
    for number in range(23):
        await api.new_device(name=f"d{number:02}")
        house.clock.advance(1)
    first = await api.get("devices")
    assert (len(first["items"]), first["total"], first["page_total"]) == (20, 23, 2)
    assert await names(api, page=2) == ["d20", "d21", "d22"]
    assert await names(api, page=3) == []
    assert await names(api, page=1_000_000, page_records=100) == []
    assert await names(api, page_records=100) == [f"d{number:02}" for number in range(23)]
    assert (await api.get("devices", page_records=1))["page_total"] == 23


async def test_an_item_is_the_same_as_the_device_read_alone(api: Api, house: House) -> None:
    device_id = await api.new_device(type=await api.new_type(), device_key="k", tags={"a": "b"})
    await house.report(device_id, t=1)
    await connect_device(house, api, device_id)
    await raise_alarm(house, api, device_id, 2)
    [item] = (await api.get("devices"))["items"]
    assert {**item, "groups": [], "session": ANY} == await api.get(f"device/{device_id}")
    now = house.clock.now_ms()
    assert item["alarm"] == {"alarm_status": 1, "alarm_level": 2, "ts": now}
    assert item["active"] == {"attributes": now, "connect": now}
    assert item["online"] is True


async def test_devices_of_a_type(api: Api, stranger: Api, house: House) -> None:
    type_id = await api.new_type()
    await api.new_device(name="typed", type=type_id)
    house.clock.advance(1)
    await api.new_device(name="other")
    await stranger.new_device(name="theirs", type=await stranger.new_type())
    assert await names(api, type=type_id) == ["typed"]
    assert await names(api, type="") == ["typed", "other"]
    for unknown in ("nosuch00", "%", "x'--"):
        assert await names(api, type=unknown) == []
    assert await names(stranger, type=type_id) == []


async def test_devices_of_groups_and_of_those_below(api: Api, house: House) -> None:
    top = await api.new_group()
    below = await api.new_group(parent=top)
    other = await api.new_group()
    for name, group_ids in (("t", [top]), ("b", [below]), ("o", [other]), ("bo", [below, other]), ("none", [])):
        device_id = await api.new_device(name=name)
        house.clock.advance(1)
        for group_id in group_ids:
            await api.call("POST", f"device_group/{group_id}/devices", {"devices": [device_id]})
    assert await names(api, group=top) == ["t"]
    assert await names(api, group=top, include_sub_groups=1) == ["t", "b", "bo"]
    assert await names(api, groups=f"{top},{other}") == ["t", "o", "bo"]
    assert await names(api, groups=f" {other} ,{below},,") == ["b", "o", "bo"]
    assert await names(api, groups=f"{top},{other}", include_sub_groups="true") == ["t", "b", "o", "bo"]
    assert await names(api, groups=f"{below},nosuch00") == ["b", "bo"]
    assert await names(api, group="nosuch00") == []
    assert await names(api, group=top, groups=other) == ["t", "o", "bo"]
    assert await names(api, groups=",") == await names(api)
    assert (await api.get("devices", groups=f"{below},{other}"))["total"] == 3


async def test_groups_of_others_and_too_many_groups(api: Api, stranger: Api) -> None:
    theirs = await stranger.new_group()
    device_id = await stranger.new_device()
    await stranger.call("POST", f"device_group/{theirs}/devices", {"devices": [device_id]})
    assert await names(api, group=theirs) == []
    refusal = await api.refusal("GET", "devices", groups=",".join(f"g{number}" for number in range(101)))
    assert refusal.fields == {"groups"}


async def test_devices_by_keyword_tag_and_presence(api: Api, house: House) -> None:
    first = await api.new_device(name="Boiler 北", device_key="IMEI-77", tags={"site": "A", "k": ""})
    house.clock.advance(1)
    await api.new_device(name="100%_sure", tags={"site": "B:1"})
    assert await names(api, keyword="boiler") == ["Boiler 北"]
    assert await names(api, keyword="imei-7") == ["Boiler 北"]
    assert await names(api, keyword=first) == ["Boiler 北"]
    assert await names(api, keyword="%") == ["100%_sure"]
    assert await names(api, keyword="0_") == []
    assert await names(api, tag="site") == ["Boiler 北", "100%_sure"]
    assert await names(api, tag="site:A") == ["Boiler 北"]
    assert await names(api, tag="site:B:1") == ["100%_sure"]
    assert await names(api, tag="site:") == []
    assert await names(api, tag="k:") == ["Boiler 北"]
    await connect_device(house, api, first)
    assert await names(api, online=1) == ["Boiler 北"]
    assert await names(api, online="false") == ["100%_sure"]
    assert await names(api, keyword="sure", tag="site", online=0) == ["100%_sure"]


async def test_devices_by_tags_of_any_characters(api: Api) -> None:
    for number, tags in enumerate(({"a:b": "c"}, {"a": "b:c"}, {"e\u0301": "ü"}, {"水泵": " x "})):
        await api.new_device(name=f"tagged {number}", tags=tags)
    assert sorted(await names(api, tag="a:b:c")) == ["tagged 0", "tagged 1"]
    assert await names(api, tag="a:b") == ["tagged 0"]
    assert await names(api, tag="é:u\u0308") == ["tagged 2"]
    assert await names(api, tag="水泵: x ") == ["tagged 3"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": 0}, "page"),
        ({"page": "x"}, "page"),
        ({"page": 10**30}, "page"),
        ({"page": 1.5}, "page"),
        ({"page_records": 101}, "page_records"),
        ({"page_records": 0}, "page_records"),
        ({"include_sub_groups": 2}, "include_sub_groups"),
        ({"online": "maybe"}, "online"),
        ({"keyword": "x" * 129}, "keyword"),
    ],
)
async def test_an_impossible_query_is_refused_by_its_field(api: Api, query: dict[str, Any], field: str) -> None:
    refusal = await api.refusal("GET", "devices", **query)
    assert (refusal.errcode, refusal.fields) == (400, {field})


async def test_devices_are_counted_by_state(api: Api, house: House, stranger: Api) -> None:
    await stranger.new_device()
    online, silent, _ = [await api.new_device() for _ in range(3)]
    await house.report(silent, t=1)
    house.clock.advance(24 * 3600 * 1000)
    await connect_device(house, api, online)
    await raise_alarm(house, api, online, 1)
    stat = {
        "device_total": 3,
        "online_device_total": 1,
        "offline_device_total": 2,
        "active_device_total": 2,
        "inactive_device_total": 1,
        "alarm_device_total": 1,
    }
    assert await api.get("devices_stat") == stat
    house.clock.advance(1)
    assert await api.get("devices_stat") == stat | {"active_device_total": 1, "inactive_device_total": 2}


async def test_devices_are_counted_by_their_highest_open_alarm(api: Api, house: House, stranger: Api) -> None:
    await raise_alarm(house, stranger, await stranger.new_device(), 3)
    for levels in ((1,), (1, 3, 2), (2,), (2,), ()):
        device_id = await api.new_device()
        for level in levels:
            await raise_alarm(house, api, device_id, level, rule_id=f"rule{level}")
    assert await api.get("devices_alarm_stat") == {
        "device_total": 5,
        "alarm_1_total": 1,
        "alarm_2_total": 2,
        "alarm_3_total": 1,
        "normal_total": 1,
    }
