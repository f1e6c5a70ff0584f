"""Lists of devices: filters, order, paging, views, statistics."""

import itertools
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from tests.contract.nouns import NOW, alarm, customer, device, device_group, device_type, ended, record, session
from thingstead.model.device import (
    Device,
    DeviceExclusion,
    DeviceFilter,
    DevicesAlarmStat,
    DevicesStat,
    FacetName,
    OpenAlarm,
    Page,
)
from thingstead.model.report import EventRecord, Report
from thingstead.storage.base import Store

# The tree of groups:  top ── child ── grandchild;  other
GROUPS = {"top": None, "child": "top", "grandchild": "child", "other": None}
MEMBERS = {"top": ["d0", "d1"], "child": ["d1", "d2"], "grandchild": ["d3"], "other": ["d3", "d5"]}
ONLINE = ["d1", "d2", "d4"]
DEVICES = [
    device("d0", name="Boiler Room", type_id="type-1", customer_id="customer-1", tags={"site": "north"}),
    device("d1", name="boiler 2", type_id="type-1", device_key="IMEI-100%", tags={"site": "south", 'x"site': "north"}),
    device("d2", name="Pump_A", type_id="type-2", customer_id="customer-1", tags={"site": "north", 'q"u.o': "x"}),
    device(
        "d3",
        name="PumpxA",
        type_id="type-2",
        device_key="imei-1000",
        tags={"note": '"site":"north"'},
    ),
    device("d4", name="ÉLÉVATEUR 水泵", gateway_id="d0", sub_address="1", create_time=NOW - 1),
    device("d5", name="\\back", gateway_id="d0", sub_address="2", customer_id="customer-2", create_time=NOW + 1),
]
IN_ORDER = ["d4", "d0", "d1", "d2", "d3", "d5"]


@pytest.fixture
async def plant(store: Store) -> Store:
    """Six devices in many relations, and a foreign project that has the like."""
    for owner_id in ("type-1", "type-2"):
        await store.device_types.create(device_type(owner_id, conn_type="3"))
    for owner_id in ("customer-1", "customer-2"):
        await store.customers.create(customer(owner_id))
    created = await store.devices.create_many(DEVICES)
    for group_id, parent_id in GROUPS.items():
        await store.device_groups.create(device_group(group_id, parent_id=parent_id))
        await store.device_groups.add_devices("ours", group_id, MEMBERS[group_id])
    for each in created:
        assert isinstance(each, Device)
        if each.id in ONLINE:
            await store.presence.open_session(each.number, session(f"session-{each.id}"))
    await store.device_types.create(device_type("foreign-type", "theirs"))
    await store.device_groups.create(device_group("foreign-group", "theirs"))
    foreign = await store.devices.create(device("foreign", "theirs", type_id="foreign-type", tags={"site": "north"}))
    await store.device_groups.add_devices("theirs", "foreign-group", ["foreign"])
    await store.presence.open_session(foreign.number, session("session-foreign"))
    return store


async def ids(store: Store, device_filter: DeviceFilter, page: Page | None = None) -> list[str]:
    views, total = await store.devices.list_views("ours", device_filter, page or Page())
    if page is None:
        assert total == len(views)
    return [view.device.id for view in views]


@pytest.mark.parametrize(
    ("device_filter", "expected"),
    [
        (DeviceFilter(), IN_ORDER),
        (DeviceFilter(type_id="type-1"), ["d0", "d1"]),
        (DeviceFilter(customer_id="customer-1"), ["d0", "d2"]),
        (DeviceFilter(gateway_id="d0"), ["d4", "d5"]),
        (DeviceFilter(online=True), ["d4", "d1", "d2"]),
        (DeviceFilter(online=False), ["d0", "d3", "d5"]),
        (DeviceFilter(group_ids=("top",)), ["d0", "d1"]),
        (DeviceFilter(group_ids=("top",), include_sub_groups=True), ["d0", "d1", "d2", "d3"]),
        (DeviceFilter(group_ids=("grandchild", "other")), ["d3", "d5"]),
        (DeviceFilter(group_ids=("top", "nowhere", "foreign-group")), ["d0", "d1"]),
        (DeviceFilter(keyword="BOILER"), ["d0", "d1"]),
        (DeviceFilter(keyword="imei-100"), ["d1", "d3"]),
        (DeviceFilter(keyword="élévateur"), ["d4"]),
        (DeviceFilter(keyword="水"), ["d4"]),
        (DeviceFilter(keyword="D2"), ["d2"]),
        (DeviceFilter(keyword="%"), ["d1"]),
        (DeviceFilter(keyword="pump_a"), ["d2"]),
        (DeviceFilter(keyword="\\"), ["d5"]),
        (DeviceFilter(keyword="nothing like it"), []),
        (DeviceFilter(tags=((("site", None),),)), ["d0", "d1", "d2"]),
        (DeviceFilter(tags=((("site", "north"),),)), ["d0", "d2"]),
        (DeviceFilter(tags=((("site", "nort"),),)), []),
        (DeviceFilter(tags=((("nothing", None), ("note", None), ("site", "south")),)), ["d1", "d3"]),
        (DeviceFilter(keyword="e\u0301le\u0301v"), ["d4"]),
        (DeviceFilter(keyword="ÉLÉV"), ["d4"]),
        (DeviceFilter(keyword="ｂｏｉｌｅｒ"), ["d0", "d1"]),
        (DeviceFilter(tags=((("sit", None),),)), []),
        (DeviceFilter(tags=((('q"u.o', "x"),),)), ["d2"]),
        (DeviceFilter(tags=((("north", None),),)), []),
        (DeviceFilter(tags=(((":", None),),)), []),
        (DeviceFilter(tags=((("note", '"site":"north"'),),)), ["d3"]),
        (DeviceFilter(ids=("d5", "d1", "foreign", "nowhere")), ["d1", "d5"]),
        (DeviceFilter(ids=("d5", "d1"), type_id="type-1"), ["d1"]),
        (DeviceFilter(protocol="mqtt"), ["d4", "d1", "d2"]),
        (DeviceFilter(conn_type="3"), ["d0", "d1", "d2", "d3"]),
        (DeviceFilter(conn_type="1"), ["d4", "d5"]),
        (DeviceFilter(alarm="none"), IN_ORDER),
        (DeviceFilter(alarm="any"), []),
        (DeviceFilter(active=False, active_since=1), ["d0", "d3", "d5"]),  # the others have connected
        (DeviceFilter(excluded=DeviceExclusion(type_ids=("type-1",))), ["d4", "d2", "d3", "d5"]),
        (DeviceFilter(excluded=DeviceExclusion(customer_ids=("customer-1", "nowhere"))), ["d4", "d1", "d3", "d5"]),
        (DeviceFilter(excluded=DeviceExclusion(gateway_ids=("d0",))), ["d0", "d1", "d2", "d3"]),
        (DeviceFilter(excluded=DeviceExclusion(group_ids=("top",)), include_sub_groups=True), ["d4", "d5"]),
        (DeviceFilter(excluded=DeviceExclusion(tags=((("site", "north"),),))), ["d4", "d1", "d3", "d5"]),
        (DeviceFilter(excluded=DeviceExclusion(alarm="none")), []),
    ],
)
async def test_a_filter_shows_what_it_says_in_order(
    plant: Store, device_filter: DeviceFilter, expected: list[str]
) -> None:
    assert await ids(plant, device_filter) == expected


@pytest.mark.parametrize(
    "narrowing",
    [
        DeviceFilter(type_id="foreign-type"),
        DeviceFilter(type_id="nowhere"),
        DeviceFilter(customer_id="nowhere"),
        DeviceFilter(gateway_id="foreign"),
        DeviceFilter(group_ids=("foreign-group",)),
        DeviceFilter(group_ids=("nowhere",), include_sub_groups=True),
        DeviceFilter(keyword="foreign"),
    ],
)
async def test_a_filter_on_what_is_not_in_the_project_matches_nothing(plant: Store, narrowing: DeviceFilter) -> None:
    assert await ids(plant, narrowing) == []


async def test_filters_together_show_what_each_of_them_shows(plant: Store) -> None:
    parts: dict[str, Any] = {
        "type_id": "type-2",
        "customer_id": "customer-1",
        "group_ids": ("top", "other"),
        "keyword": "pump",
        "online": True,
        "tags": ((("site", "north"),),),
    }
    shown = {name: set(await ids(plant, DeviceFilter(**{name: value}))) for name, value in parts.items()}

    for left, right in itertools.combinations(parts, 2):
        both = await ids(plant, DeviceFilter(**{left: parts[left], right: parts[right]}))
        assert both == [each for each in IN_ORDER if each in shown[left] & shown[right]], (left, right)


@pytest.mark.parametrize(
    "device_filter",
    [
        DeviceFilter(),
        DeviceFilter(online=True),
        DeviceFilter(group_ids=("top",), include_sub_groups=True),
        DeviceFilter(group_ids=("top",), keyword="boiler"),
    ],
)
async def test_pages_put_together_are_the_whole_list(plant: Store, device_filter: DeviceFilter) -> None:
    whole = await ids(plant, device_filter)
    pages = []
    for number in range(1, len(whole) + 3):
        views, total = await plant.devices.list_views("ours", device_filter, Page(number=number, records=1))
        assert total == len(whole)
        pages.append([view.device.id for view in views])

    assert pages == [[each] for each in whole] + [[], []]


async def test_changes_are_seen_by_the_filters_at_once(plant: Store) -> None:
    await plant.devices.update("ours", "d0", {"name": "Kettle", "type_id": "type-2", "customer_id": None})
    await plant.devices.update("ours", "d3", {"device_key": None})
    await plant.devices.merge_tags("ours", "d0", {"floor": "3"}, ["site"])

    assert await ids(plant, DeviceFilter(keyword="kettle")) == ["d0"]
    assert await ids(plant, DeviceFilter(keyword="boiler")) == ["d1"]
    assert await ids(plant, DeviceFilter(keyword="imei-100")) == ["d1"]
    assert await ids(plant, DeviceFilter(type_id="type-1")) == ["d1"]
    assert await ids(plant, DeviceFilter(tags=((("floor", "3"),),))) == ["d0"]
    assert await ids(plant, DeviceFilter(tags=((("site", "north"),),))) == ["d2"]


async def test_a_view_shows_type_session_uplinks_and_alarm(plant: Store) -> None:
    given = await plant.devices.get("ours", "d1")
    await ended(plant.history.append(Report(given.number, NOW + 5, NOW + 5, {"t": 1})))
    await ended(plant.events.append(EventRecord(id="e", device_id="d1", method="m", ts=NOW + 7), given.number))
    await record(plant, alarm("a1", "d1", rule_id="low", alarm_level=1, create_time=NOW + 1))
    await record(plant, alarm("a2", "d1", rule_id="high", alarm_level=3, create_time=NOW + 2))

    view = await plant.devices.get_view("ours", "d1")

    assert view.device == given
    assert (view.type_name, view.conn_type, view.conn_protocol) == ("Type type-1", "3", "1")
    assert view.online
    assert view.active == {"attributes": NOW + 5, "event": NOW + 7, "connect": NOW}
    assert view.alarm == OpenAlarm(alarm_level=3, ts=NOW + 2)
    listed, _ = await plant.devices.list_views("ours", DeviceFilter(keyword="boiler 2"), Page())
    assert listed == [view]


async def test_a_bare_device_has_a_bare_view(store: Store) -> None:
    created = await store.devices.create(device("d1"))

    view = await store.devices.get_view("ours", "d1")

    assert view.device == created
    assert (view.type_name, view.conn_type, view.conn_protocol) == (None, None, None)
    assert not view.online
    assert view.active == {}
    assert view.alarm is None


async def test_devices_are_counted_by_their_state(plant: Store) -> None:
    silent, loud = [await plant.devices.get("ours", device_id) for device_id in ("d0", "d3")]
    await ended(plant.history.append(Report(silent.number, NOW - 10, NOW - 10, {"t": 1})))
    await ended(plant.history.append(Report(loud.number, NOW + 10, NOW + 10, {"t": 1})))
    await record(plant, alarm("a1", "d0", rule_id="r1"))
    await record(plant, alarm("a2", "d0", rule_id="r2"))
    await record(plant, alarm("a3", "foreign", project_id="theirs"))

    stat = await plant.devices.stat("ours", NOW + 1)

    assert stat == DevicesStat(
        device_total=6,
        online_device_total=3,
        offline_device_total=3,
        active_device_total=1,
        inactive_device_total=5,
        alarm_device_total=1,
    )
    assert (await plant.devices.stat("ours", NOW - 10)).active_device_total == 5
    assert (await plant.devices.stat("theirs", 0)).device_total == 1


async def test_devices_are_counted_by_their_highest_alarm(plant: Store) -> None:
    await record(plant, alarm("a1", "d0", rule_id="r1", alarm_level=1))
    await record(plant, alarm("a2", "d0", rule_id="r2", alarm_level=3))
    await record(plant, alarm("a3", "d1", alarm_level=1))
    await record(plant, alarm("a4", "foreign", project_id="theirs", alarm_level=2))

    assert await plant.devices.alarm_stat("ours") == DevicesAlarmStat(
        device_total=6, alarm_1_total=1, alarm_2_total=0, alarm_3_total=1, normal_total=4
    )
    assert (await plant.devices.alarm_stat("theirs")).alarm_2_total == 1


async def test_devices_of_equal_age_are_ordered_by_id(store: Store) -> None:
    given = [device(device_id) for device_id in ("b", "c", "a")]
    await store.devices.create_many(given)
    await store.devices.create(replace(device("z"), create_time=NOW - 1))

    assert await ids(store, DeviceFilter()) == ["z", "a", "b", "c"]


FACETS: tuple[FacetName, ...] = get_args(FacetName)


async def test_facets_of_all_devices_are_those_of_the_devices_one_by_one(plant: Store) -> None:
    await record(plant, alarm("m1", "d1", alarm_level=3), alarm("m2", "d2", alarm_level=1))
    wanted = [(name, "") for name in FACETS]
    counted = await plant.devices.facets("ours", DeviceFilter(), wanted)
    assert await plant.devices.facets("ours", DeviceFilter(ids=tuple(IN_ORDER)), wanted) == counted
    assert all(counted), "each has a value"
    assert all(type(each.count) is int and type(each.value) is str for values in counted for each in values)


async def test_facets_count_the_values_of_the_devices_in_the_list(plant: Store) -> None:
    number = (await plant.devices.get("ours", "d2")).number
    await ended(plant.history.append(Report(number, NOW + 5, NOW + 5, {"t": 1})))
    await record(plant, alarm("a1", "d1", alarm_level=3), alarm("a2", "d5"))

    async def facets(device_filter: DeviceFilter) -> dict[str, dict[str, int]]:
        wanted = [(name, "") for name in get_args(FacetName)]
        found = await plant.devices.facets("ours", device_filter, [*wanted, ("tag", "site")])
        names = [*(name for name, _ in wanted), "site"]
        return {name: {each.value: each.count for each in values} for name, values in zip(names, found, strict=True)}

    assert await facets(DeviceFilter(active_since=NOW)) == {
        "type": {"type-1": 2, "type-2": 2},
        "group": {"child": 2, "other": 2, "top": 2, "grandchild": 1},
        "customer": {"customer-1": 2, "customer-2": 1},
        "gateway": {"d0": 2},
        "online": {"0": 3, "1": 3},
        "active": {"0": 3, "1": 3},  # to connect is an uplink
        "alarm_level": {"none": 4, "2": 1, "3": 1},
        "conn_type": {"3": 4, "1": 2},
        "protocol": {"mqtt": 3},
        "tag": {"site": 3, "note": 1, 'q"u.o': 1, 'x"site': 1},
        "site": {"north": 2, "south": 1},
    }
    narrow = await facets(DeviceFilter(type_id="type-1", active_since=NOW))
    assert narrow["type"] == {"type-1": 2, "type-2": 2}, "the type itself does not count for its facet"
    assert (narrow["customer"], narrow["site"], narrow["online"]) == (
        {"customer-1": 1}, {"north": 1, "south": 1}, {"0": 1, "1": 1}
    )  # fmt: skip
    names = await plant.devices.facets("ours", DeviceFilter(), [("type", ""), ("gateway", "")])
    assert [[each.name for each in values] for values in names] == [["Type type-1", "Type type-2"], ["Boiler Room"]]
