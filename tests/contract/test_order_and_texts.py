"""What could be one engine's accident is the same in each: the order among equals and of texts, case, NUL, long and
foreign texts."""

import random
from collections.abc import Awaitable, Callable
from typing import get_args

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import (
    NOW,
    alarm,
    alarm_rule,
    application,
    customer,
    device,
    device_group,
    device_type,
    record,
)
from thingstead.errors import Conflict, InvalidInput
from thingstead.model.alarms.alarm import AlarmFilter
from thingstead.model.alarms.rule import AlarmRuleFilter
from thingstead.model.device import DeviceFilter, DeviceSort, Page
from thingstead.model.mqtt_session import KeptSubscription, RetainedMessage, SessionRecord
from thingstead.model.report import EventRecord
from thingstead.storage.base import Store
from thingstead.storage.commit import settled

# By the bytes of UTF-8: capitals before small letters, Latin before Chinese, Chinese before emoji.
NAMES = ["10", "2", "A", "B_", "Ba", "Z", "_", "a", "a b", "ab", "b", "z", "Ä", "ä", "é", "水", "泵", "ﬁ", "😀"]
HIDDEN = "a\0b"


def shuffled(values: list[str], chance: random.Random) -> list[str]:
    return chance.sample(values, len(values))


async def names(store: Store, page: Page, **wanted: object) -> list[str]:
    views, _ = await store.devices.list_views("ours", DeviceFilter(**wanted), page)  # type: ignore[arg-type]
    return [view.device.name for view in views]


async def test_texts_are_in_the_order_of_their_bytes(store: Store, chance: random.Random) -> None:
    assert sorted(NAMES, key=str.encode) == NAMES
    for name in shuffled(NAMES, chance):
        await store.devices.create(device(name=name))
        await store.customers.create(customer(f"c-{len(name)}-{NAMES.index(name)}", name=name))
        await store.device_types.create(device_type(f"t-{name}", name=name))

    assert await names(store, Page(records=99, sort="name")) == NAMES
    assert await names(store, Page(records=99, sort="-name")) == NAMES[::-1]
    customers, _ = await store.customers.list_page("ours", Page(records=99, sort="name"))
    types, _ = await store.device_types.list_page("ours", Page(records=99, sort="name"))
    assert [each.name for each in customers] == [each.name for each in types] == NAMES


async def test_among_equals_the_id_decides_by_its_bytes(store: Store, chance: random.Random) -> None:
    ids = [f"{letter}{n}" for letter in "BZaz" for n in range(3)]
    for row_id in shuffled(ids, chance):
        await store.devices.create(device(row_id, name="same"))
        await store.device_groups.create(device_group(row_id))
        await store.accounts.create_application(application(row_id))
        await store.alarm_rules.create(alarm_rule(row_id, device_ids=(row_id,)))

    sorts: tuple[DeviceSort, ...] = get_args(DeviceSort)
    assert len(sorts) == 8
    for sort in sorts:
        views, _ = await store.devices.list_views("ours", DeviceFilter(), Page(records=99, sort=sort))
        assert [view.device.id for view in views] == (ids[::-1] if sort.startswith("-") else ids), sort
    assert [group.id for group in await store.device_groups.list_all("ours")] == ids
    rules, _ = await store.alarm_rules.list_page("ours", AlarmRuleFilter(), Page(records=99))
    assert [rule.id for rule in rules] == ids
    applications = [each.id for each in await store.accounts.list_applications("ours")]
    assert [row_id for row_id in applications if row_id in ids] == ids


async def test_rows_of_one_instant_are_in_the_order_in_which_they_were_added(store: Store) -> None:
    created = await store.devices.create(device("d1"))
    await store.alarm_rules.create(alarm_rule("r1", device_ids=("d1",)))
    for n in range(12):
        event = EventRecord(id=f"e{n}", device_id="d1", method="m", params={}, ts=NOW)
        await settled(store.events.append(event, created.number))
        await settled(store.device_logs.append(created.number, "data", NOW, {"n": n}))
        await record(store, alarm(f"a{n}", "d1", rule_id="r1"), alarm(f"b{n}", "d1", alarm_id=f"a{n}", alarm_status=0))

    events, _ = await store.events.list_page("d1", Page(records=99))
    logs, _ = await store.device_logs.list_page(created.number, "data", Page(records=99))
    messages, _ = await store.alarms.list_page("ours", AlarmFilter(), Page(records=99))
    assert [event.id for event in events] == [f"e{n}" for n in range(11, -1, -1)]
    assert [log.body["n"] for log in logs] == list(range(11, -1, -1))
    assert [message.id for message in messages] == [f"{kind}{n}" for n in range(11, -1, -1) for kind in "ba"]


async def test_what_is_missing_comes_where_it_is_said_to_come(store: Store) -> None:
    await store.devices.create(device("gateway"))
    await store.devices.create(device("below", gateway_id="gateway", sub_address="1", create_time=NOW + 5))
    await store.devices.create(device("alone", create_time=NOW - 5))
    await store.alarm_rules.create(alarm_rule("r1", device_ids=("gateway", "below")))
    await record(store, alarm("a1", "below", rule_id="r1"))

    assert await store.jobs.list_ids("ours", DeviceFilter(), 9) == ["below", "alone", "gateway"]
    views, _ = await store.devices.list_views("ours", DeviceFilter(), Page(sort="-alarm_level"))
    assert [view.device.id for view in views] == ["below", "gateway", "alone"]
    values = await store.devices.facets("ours", DeviceFilter(), [("alarm_level", ""), ("online", "")])
    assert [[(each.value, each.count) for each in facet] for facet in values] == [[("none", 2), ("2", 1)], [("0", 3)]]


async def test_keys_differ_by_case_and_by_form(store: Store) -> None:
    keys = ["key", "Key", "KEY", "ke\u0301y", "k\u00e9y", " key", "key "]
    for number, key in enumerate(keys):
        await store.devices.create(device(f"d{number}", device_key=key))

    for number, key in enumerate(keys):
        found = await store.devices.find_by_device_key("ours", key)
        assert found is not None
        assert found.id == f"d{number}"
        with pytest.raises(Conflict) as refused:
            await store.devices.create(device(device_key=key))
        assert refused.value.errors[0].field == "device_key"


async def test_a_part_of_the_name_of_a_rule_finds_it_as_it_is_written_and_in_any_case_of_ascii(store: Store) -> None:
    await store.devices.create(device("d1"))
    for number, name in enumerate(("Too HOT", "too hot", "ÉLEVÉ", "50 % of 100_")):
        rule = alarm_rule(f"r{number}", device_ids=("d1",))
        await store.alarm_rules.create(
            type(rule)(**{**{f: getattr(rule, f) for f in rule.__struct_fields__}, "name": name})
        )

    async def found(keyword: str) -> list[str]:
        rules, _ = await store.alarm_rules.list_page("ours", AlarmRuleFilter(keyword=keyword), Page())
        return [rule.id for rule in rules]

    assert await found("TOO h") == ["r0", "r1"]
    assert await found("ÉLEV") == ["r2"]
    assert (await found("%"), await found("100_"), await found("_1"), await found("\\")) == (["r3"], ["r3"], [], [])


Call = Callable[[Store], Awaitable[object]]
LOOKUPS: list[Call] = [
    lambda store: store.devices.find_by_access_token(HIDDEN),
    lambda store: store.devices.find_by_device_key("ours", HIDDEN),
    lambda store: store.projects.find_by_project_key(HIDDEN),
    lambda store: store.accounts.find_administrator_by_account("ours", HIDDEN),
    lambda store: store.accounts.find_application(HIDDEN),
    lambda store: store.device_groups.known("ours", [HIDDEN]),
    lambda store: names(store, Page(), ids=(HIDDEN,)),
    lambda store: names(store, Page(), keyword=HIDDEN),
    lambda store: names(store, Page(), tags=(((HIDDEN, HIDDEN),),)),
    lambda store: store.commands.issued_lately(HIDDEN, 1, HIDDEN, 9),
]


@pytest.mark.parametrize("look_up", LOOKUPS)
async def test_a_text_with_nul_finds_nothing_or_is_refused_as_such(store: Store, look_up: Call) -> None:
    await store.devices.create(device(name="ab", device_key="ab", tags={"ab": "ab"}))
    try:
        assert not await look_up(store)
    except InvalidInput as exc:
        refused = exc
    else:
        return
    assert refused.reason.code == "has_nul"


async def test_nul_within_json_is_kept_and_spoils_no_list(store: Store) -> None:
    created = await store.devices.create(device("d1", tags={"plain": "x"}))
    params = {"text": "a\0\0b", "escaped": "\\u0000", "both": "\\\0\\\\\0", "key\0": 1}
    await settled(
        store.events.append(EventRecord(id="e", device_id="d1", method="m", params=params, ts=NOW), created.number)
    )
    await settled(store.device_logs.append(created.number, "data", NOW, params))
    await store.alarm_rules.create(alarm_rule("r1", device_ids=("d1",)))
    await record(store, alarm("a1", "d1", rule_id="r1", alarm_info={"rule_name": "r", "attributes": params}))

    events, _ = await store.events.list_page("d1", Page())
    logs, _ = await store.device_logs.list_page(created.number, "data", Page())
    alarms, _ = await store.alarms.list_alarms("ours", AlarmFilter(), Page())
    assert events[0].params == logs[0].body == alarms[0].alarm_info["attributes"] == params


@pytest.mark.parametrize("character", ["x", "水", "😀"])
async def test_topics_of_any_length_are_kept(
    store: Store, backend: Backend, character: str, chance: random.Random
) -> None:
    size = 65_535 // len(character.encode())
    letters = [chr(chance.randrange(33, 127)) for _ in range(size)]
    topics = ["".join(letters), character * size, character * (size - 1)]
    store.mqtt_sessions.put_session(SessionRecord(number=1, client_id="c", expiry_s=60))
    for number, topic in enumerate([*topics, *topics]):
        await settled(store.mqtt_sessions.put_retained(RetainedMessage(topic, b"%d" % number, None)))
        await settled(store.mqtt_sessions.put_subscription(1, KeptSubscription(topic, number % 3, 0)))

    kept = await (await backend.reopen()).mqtt_sessions.load()

    assert {each.topic: each.packet for each in kept.retained} == dict(zip(topics, (b"3", b"4", b"5"), strict=True))
    found = {each.topic_filter: each.options for each in kept.sessions[0].subscriptions}
    assert found == dict(zip(topics, (0, 1, 2), strict=True))
