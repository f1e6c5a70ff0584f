"""Sub-devices speak through their gateway and are online on their own account."""

import json
from typing import Any

import pytest

from tests.services.conftest import NOW, Workshop
from tests.storage.test_full_disk import nothing_can_be_written
from thingstead.errors import Conflict, InvalidInput, Unavailable
from thingstead.model.device import Device, DeviceSession, Page
from thingstead.model.messages import PresenceChanged, SubDeviceAdded
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.presence import sub_device_making, sub_devices
from thingstead.services.presence.sub_presence import GatewayLink
from thingstead.services.shared.commits import settled
from thingstead.services.shared.payloads import MAX_SERIES_REPORTS


class House:
    """A connected gateway with sub-devices ``a`` and ``b``, and the news of presence."""

    def __init__(self, workshop: Workshop, link: GatewayLink, subs: dict[str, Device]) -> None:
        self.workshop = workshop
        self.link = link
        self.subs = subs
        self.news: list[tuple[str, bool, str]] = []
        workshop.bus.subscribe(PresenceChanged, self._hear)

    def _hear(self, news: PresenceChanged) -> None:
        name = next((name for name, device in self.subs.items() if device.id == news.device_id), "?")
        self.news.append((name, news.online, news.reason))

    async def settle(self, outcome: Outcome) -> Outcome:
        if outcome.commit is not None:
            await settled(outcome.commit)
        await self.link.idle()
        return outcome

    async def current(self, name: str) -> dict[str, Any]:
        found = await self.workshop.store.history.current(self.subs[name].number)
        return {identifier: known.value for identifier, known in found.items()}


@pytest.fixture
async def house(workshop: Workshop) -> House:
    gateway = await workshop.add_device(type_id=await workshop.add_type(conn_type="3"))
    sub_type = await workshop.add_type(conn_type="2")
    subs = {
        name: await workshop.add_device(type_id=sub_type, gateway_id=gateway.id, sub_address=name)
        for name in ("a", "b")
    }
    return House(workshop, await workshop.sub_devices.open(gateway, "session"), subs)


def packed(value: Any) -> bytes:
    return json.dumps(value).encode()


async def test_one_message_reports_for_many_sub_devices(house: House) -> None:
    payload = packed({"a": {"x": 1}, "b": {"x": 2, "y": True}})
    assert (await house.settle(house.workshop.sub_devices.report_attributes(house.link, payload))).refused == ()
    assert await house.current("a") == {"x": 1}
    assert await house.current("b") == {"x": 2, "y": True}


async def test_an_unknown_address_is_refused_by_name_and_the_others_are_kept(house: House) -> None:
    payload = packed({"a": {"x": 1}, "c": {"x": 1}, "b": 5})
    outcome = await house.settle(house.workshop.sub_devices.report_attributes(house.link, payload))
    assert [(error.field, error.message) for error in outcome.refused] == [
        ("c", "no such sub-device"),
        ("b", "an object of attributes is expected"),
    ]
    assert await house.current("a") == {"x": 1}
    assert house.news == [("a", True, "connected")]


async def test_past_attributes_of_sub_devices_enter_history(house: House) -> None:
    payload = packed({"a": [{"ts": 1_000_000_000_000, "attributes": {"x": 1}}, {"ts": 1_000_000_001, "x": 2}]})
    await house.settle(house.workshop.sub_devices.report_series(house.link, payload))
    points = await house.workshop.store.history.series(house.subs["a"].number, "x", 0, 2**50, offset=0, limit=9)
    assert [(point.ts, point.value) for point in points] == [(1_000_000_001_000, 2), (1_000_000_000_000, 1)]


async def test_events_and_replies_are_those_of_the_sub_device(house: House) -> None:
    service = house.workshop.sub_devices
    outcome, address = service.report_event(house.link, packed({"device": "b", "event": {"method": "boot"}}))
    await house.settle(outcome)
    assert address == "b"
    outcome, address = service.reply(house.link, packed({"device": "a", "reply": {"method": "m", "id": 1}}))
    await house.settle(outcome)
    assert address == "a"
    view = await house.workshop.store.devices.get_view("p1", house.subs["b"].id)
    assert "event" in view.active
    view = await house.workshop.store.devices.get_view("p1", house.subs["a"].id)
    assert "command_reply" in view.active


async def test_current_values_of_a_sub_device_are_read_by_key(house: House) -> None:
    service = house.workshop.sub_devices
    await house.settle(service.report_attributes(house.link, packed({"a": {"x": 1, "y": 2}})))
    assert await service.attributes(house.link, packed({"device": "a", "get": {"keys": ["y", "z"]}})) == ("a", {"y": 2})
    assert await service.attributes(house.link, packed({"device": "a", "get": {}})) == ("a", {"x": 1, "y": 2})


async def test_presence_follows_connect_silence_and_disconnect_of_each_alone(house: House) -> None:
    service = house.workshop.sub_devices
    await house.settle(service.connect(house.link, packed({"device": "a"})))
    house.workshop.clock.advance(400_000)
    await house.settle(service.report_attributes(house.link, packed({"b": {"x": 1}})))
    house.workshop.clock.advance(300_000)
    await service.sweep()
    await house.settle(service.disconnect(house.link, packed({"device": "b"})))
    assert house.news == [
        ("a", True, "connected"),
        ("b", True, "connected"),
        ("a", False, "timeout"),
        ("b", False, "disconnected"),
    ]


async def test_a_lost_gateway_takes_its_sub_devices_offline_with_that_cause(house: House) -> None:
    service = house.workshop.sub_devices
    await house.settle(service.report_attributes(house.link, packed({"a": {"x": 1}, "b": {"x": 1}})))
    await service.closed(house.link)
    assert sorted(house.news[2:]) == [("a", False, "gateway"), ("b", False, "gateway")]
    assert service.route(house.subs["a"].id) is None


async def test_a_gateway_that_connects_again_keeps_its_sub_devices_online(house: House) -> None:
    service = house.workshop.sub_devices
    await house.settle(service.report_attributes(house.link, packed({"a": {"x": 1}})))
    old = house.link
    house.link = await service.open(old.device, "another session")
    await house.settle(service.report_attributes(old, packed({"a": {"x": 2}})))  # what the old one had sent before
    await service.closed(old)
    assert house.news == [("a", True, "connected"), ("a", True, "taken over")]
    found = service.route(house.subs["a"].id)
    assert found is not None
    assert found.gateway is house.link
    house.workshop.clock.advance(700_000)
    await service.sweep()
    await service.idle()
    assert house.news[2:] == [("a", False, "timeout")]


async def test_a_connection_that_takes_a_gateway_over_and_comes_to_nothing_leaves_no_sub_device_online(
    house: House,
) -> None:
    service, presence = house.workshop.sub_devices, house.workshop.presence
    gateway = house.link.device
    for session_id in (house.link.session_id, "another"):
        begun = DeviceSession(session_id=session_id, node="node1", protocol="mqtt", connected_at=NOW)
        await presence.open(gateway, begun)
    await house.settle(service.report_attributes(house.link, packed({"a": {"x": 1}})))
    await service.closed(house.link)
    assert ("a", False, "gateway") not in house.news
    await presence.close(gateway, "another", "the log-in failed")
    await service.idle()
    assert house.news[-1] == ("a", False, "gateway")
    assert service.route(house.subs["a"].id) is None


async def test_a_sub_device_that_is_added_or_removed_is_known_at_once(house: House) -> None:
    service, workshop = house.workshop.sub_devices, house.workshop
    added = await workshop.add_device(gateway_id=house.link.device.id, sub_address="c")
    workshop.bus.publish(SubDeviceAdded("p1", house.link.device.id, added.id))
    await service.idle()
    house.subs["c"] = added
    await house.settle(service.connect(house.link, packed({"device": "c"})))
    await workshop.devices.delete("p1", added.id)
    await service.idle()
    with pytest.raises(InvalidInput):
        service.connect(house.link, packed({"device": "c"}))


async def test_a_device_is_put_behind_a_gateway_and_taken_away_again(house: House) -> None:
    service, workshop = house.workshop.sub_devices, house.workshop
    late = await workshop.add_device(type_id=house.subs["a"].type_id)
    other_gateway = await workshop.add_device(type_id=house.link.device.type_id)
    other = await service.open(other_gateway, "another session")
    house.subs["late"] = late
    await workshop.devices.change_gateway("p1", late.id, house.link.device.id, "c")
    await service.idle()
    await house.settle(service.connect(house.link, packed({"device": "c"})))
    await workshop.devices.change_gateway("p1", late.id, other_gateway.id, "c")
    await service.idle()
    with pytest.raises(InvalidInput):
        service.connect(house.link, packed({"device": "c"}))
    await house.settle(service.connect(other, packed({"device": "c"})))
    await other.idle()
    await workshop.devices.change_gateway("p1", late.id, None, None)
    await service.idle()
    with pytest.raises(InvalidInput):
        service.connect(other, packed({"device": "c"}))
    await service.idle()
    told = [(online, reason) for name, online, reason in house.news if name == "late"]
    assert told == [(True, "connected"), (False, "gateway changed")] * 2


@pytest.mark.parametrize(
    ("gateway", "address", "fields"),
    [
        ("gateway", None, ["sub_address"]),
        (None, "c", ["gateway"]),
        ("nowhere", "c", ["gateway"]),
        ("a", "c", ["gateway"]),
        ("gateway", "", ["sub_address"]),
    ],
)
async def test_a_wrong_gateway_is_refused_by_field(
    house: House, gateway: str | None, address: str | None, fields: list[str]
) -> None:
    late = await house.workshop.add_device(type_id=house.subs["a"].type_id)
    gateway_id = {"gateway": house.link.device.id, "a": house.subs["a"].id}.get(gateway or "", gateway)
    with pytest.raises(InvalidInput) as caught:
        await house.workshop.devices.change_gateway("p1", late.id, gateway_id, address)
    assert [error.field for error in caught.value.errors] == fields


async def test_an_address_that_is_taken_and_a_type_of_other_devices_are_refused(house: House) -> None:
    devices, gateway_id = house.workshop.devices, house.link.device.id
    late = await house.workshop.add_device(type_id=house.subs["a"].type_id)
    with pytest.raises(Conflict, match="sub_address"):
        await devices.change_gateway("p1", late.id, gateway_id, "a")
    with pytest.raises(InvalidInput, match="conn_type is 2"):
        await devices.change_gateway("p1", (await house.workshop.add_device()).id, gateway_id, "c")


async def test_a_gateway_makes_a_sub_device_where_the_type_lets_it(house: House) -> None:
    service, workshop = house.workshop.sub_devices, house.workshop
    open_type = await workshop.store.device_types.get("p1", await workshop.add_type(conn_type="2", auto_create=True))
    closed_type = await workshop.store.device_types.get("p1", await workshop.add_type(conn_type="2"))
    for number, member in enumerate(("type_key", "product")):
        announced = {"device": f"new {number}", member: open_type.type_key}
        await house.settle(service.connect(house.link, packed(announced)))
        made = await workshop.store.devices.find_by_sub_address(house.link.device.id, f"new {number}")
        assert made is not None
        assert (made.name, made.type_id) == (f"new {number}", open_type.id)
        assert await workshop.store.presence.find_session(made.number) is not None
    await house.settle(service.report_attributes(house.link, packed({"new 0": {"x": 1}})))
    for address, type_key in (("shut", closed_type.type_key), ("odd", "nosuchtype"), ("x" * 129, open_type.type_key)):
        await house.settle(service.connect(house.link, packed({"device": address, "type_key": type_key})))
        assert await workshop.store.devices.find_by_sub_address(house.link.device.id, address) is None
    await house.settle(service.report_attributes(house.link, packed({"a": {"x": 1}})))  # a commit behind the log's
    entries, _ = await workshop.logs.list_page(house.link.device, "rejected", Page())
    assert len(entries) == 3
    assert "auto-create is off" in entries[1].body["reason"]


async def test_a_gateway_makes_sub_devices_within_bounds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    service, workshop = house.workshop.sub_devices, house.workshop
    open_type = await workshop.store.device_types.get("p1", await workshop.add_type(conn_type="2", auto_create=True))
    monkeypatch.setattr(sub_device_making, "SUB_DEVICES_MADE_LIMIT", 3)
    for address in ("c", "d"):
        connected = service.connect(house.link, packed({"device": address, "type_key": open_type.type_key}))
        await house.settle(connected)
    assert sorted(house.link.sub_devices) == ["a", "b", "c"]


@pytest.mark.parametrize("get", [5, "x", ["x"], {"keys": "x"}, {"keys": 0}, {"keys": [["x"]]}])
async def test_a_gateway_is_told_that_keys_are_no_list_of_identifiers(house: House, get: object) -> None:
    with pytest.raises(InvalidInput, match="a list of identifiers"):
        await house.workshop.sub_devices.attributes(house.link, packed({"device": "a", "get": get}))


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", packed({"device": 5}), packed({"device": "nobody"})])
async def test_a_message_that_names_no_sub_device_is_refused(house: House, payload: bytes) -> None:
    service = house.workshop.sub_devices
    for take in (service.connect, service.disconnect, service.report_event, service.reply):
        with pytest.raises(InvalidInput):
            take(house.link, payload)
    with pytest.raises(InvalidInput):
        await service.attributes(house.link, payload)


async def test_a_sub_device_whose_session_could_not_be_kept_comes_online_with_its_next_message(house: House) -> None:
    service, store = house.workshop.sub_devices, house.workshop.store
    with nothing_can_be_written(store.path), pytest.raises(Unavailable):
        await house.settle(service.connect(house.link, packed({"device": "a"})))
    await house.settle(service.connect(house.link, packed({"device": "a"})))
    assert house.news == [("a", True, "connected")]


async def test_what_is_wrong_in_the_series_of_a_sub_device_is_named_and_the_rest_is_kept(house: House) -> None:
    payload = packed({"a": [{"ts": 2_000, "x": 2}, {"ts": "now", "x": 3}, {"ts": 1_000, "x": 2**70, "y": 1}], "b": 5})
    outcome = await house.settle(house.workshop.sub_devices.report_series(house.link, payload))
    assert [(error.field, error.message) for error in outcome.refused] == [
        ("a[1].ts", "must be a timestamp in ms"),
        ("a[2].x", "an integer needs more than 64 bits"),
        ("b.body", "must be an object"),
    ]
    assert await house.current("a") == {"x": 2, "y": 1}


async def test_the_series_of_all_sub_devices_together_have_a_limit(house: House) -> None:
    half = [{"ts": ts, "x": 1} for ts in range(MAX_SERIES_REPORTS // 2 + 1)]
    with pytest.raises(InvalidInput, match="a series has at most 10,000 reports"):
        house.workshop.sub_devices.report_series(house.link, packed({"a": half, "b": half}))


@pytest.mark.parametrize("count", [3, 4])
async def test_a_gateway_with_more_sub_devices_than_are_read_at_once_speaks_for_all(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(sub_devices, "LOADED_PER_PAGE", 2)
    gateway = await workshop.add_device(type_id=await workshop.add_type(conn_type="3"))
    sub_type = await workshop.add_type(conn_type="2")
    for number in range(count):
        await workshop.add_device(type_id=sub_type, gateway_id=gateway.id, sub_address=f"s{number}")
    link = await workshop.sub_devices.open(gateway, "session")
    assert sorted(link.sub_devices) == [f"s{number}" for number in range(count)]
