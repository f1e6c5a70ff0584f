"""Subscriptions with scoped tokens: what they are told, what they are not, and when they end."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from tests.broker.conftest import V3_1_1, V5, House, Peer, report
from thingstead.broker.apps import token_watch
from thingstead.model.device import Device
from thingstead.model.project import Application
from thingstead.model.roles import OPERATOR
from thingstead.model.token_scope import SCOPE_DEVICES_COUNT, SCOPED_FILTERS_COUNT, ScopedTopic, TokenScope
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.accounts.tokens import Caller
from thingstead.services.registry.device_groups import NewDeviceGroup
from thingstead.services.registry.device_types import NewDeviceType
from thingstead.services.registry.new_device import NewDevice

Issue = Callable[..., Awaitable[str]]


@pytest.fixture
async def application(house: House) -> Application:
    return (await house.platform.accounts.create_application(house.project_id, "page", OPERATOR)).application


@pytest.fixture
def issue(house: House, application: Application) -> Issue:
    """Issues a token of an application."""

    async def make(life_s: int = 3600, **scope: Any) -> str:
        caller = Caller(house.project_id, application.id, None, OPERATOR)
        given = TokenScope(**{"topics": ("attributes",), **scope})
        return (await house.platform.scoped_tokens.issue(caller, given, life_s)).token

    return make


async def make(house: House, name: str, **members: Any) -> Device:
    return await house.platform.devices.create(house.project_id, NewDevice(name=name, **members))


async def page(house: House, token: str, version: ProtocolVersion = V5, user_name: str = "") -> Peer:
    """A page that was admitted with a token."""
    peer = await house.peer(version)
    peer.send(Connect(version, client_id="page", user_name=user_name or house.view_key, password=token.encode()))
    assert (await peer.receive(Connack)).reason_code == 0
    return peer


async def refused(house: House, token: str, user_name: str = "") -> ReasonCode:
    peer = await house.peer(V5)
    peer.send(Connect(V5, client_id="page", user_name=user_name or house.view_key, password=token.encode()))
    return (await peer.receive(Connack)).reason_code


async def reports(house: House, device: Device, value: int) -> None:
    peer = await house.log_in(device)
    peer.send(report(1, json.dumps({"t": value}).encode()))
    await peer.receive(Puback)
    await peer.close()


async def told(peer: Peer) -> tuple[str, Any]:
    """The name of the device in the next message, and its value."""
    body = json.loads((await peer.receive(Publish)).payload)
    return body["device"]["name"], body.get("attributes", {}).get("t")


async def closed(peer: Peer) -> ReasonCode:
    return (await peer.receive(Disconnect)).reason_code


@pytest.mark.parametrize("version", [V3_1_1, V5])
async def test_wildcards_tell_of_the_devices_in_scope_alone(
    house: House, issue: Issue, version: ProtocolVersion
) -> None:
    mine, other = await make(house, "mine"), await make(house, "other")
    peer = await page(house, await issue(devices=(mine.id,)), version)
    for topic_filter in (f"{house.view_key}/#", f"{house.view_key}/+/attributes", f"{house.view_key}/+/+"):
        assert (await peer.subscribe(topic_filter)).reason_codes[0] == 0
        await reports(house, other, 1)
        await reports(house, mine, 2)
        assert await told(peer) == ("mine", 2)
    await peer.receive_nothing()


async def test_the_topic_of_another_device_tells_nothing(house: House, issue: Issue) -> None:
    mine, other = await make(house, "mine"), await make(house, "other")
    peer = await page(house, await issue(devices=(mine.id,)))
    await peer.subscribe(f"{house.view_key}/{other.view_token}/attributes")
    await peer.subscribe(f"{house.view_key}/{mine.view_token}/attributes")
    await reports(house, other, 1)
    await reports(house, mine, 2)
    assert await told(peer) == ("mine", 2)


async def test_an_application_beside_it_is_told_everything(house: House, issue: Issue) -> None:
    mine, other = await make(house, "mine"), await make(house, "other")
    scoped = await page(house, await issue(devices=(mine.id,)))
    whole = await page(house, house.view_secret)
    for peer in (scoped, whole):
        await peer.subscribe(f"{house.view_key}/+/attributes")
    await reports(house, other, 1)
    await reports(house, mine, 2)
    assert [await told(whole), await told(whole)] == [("other", 1), ("mine", 2)]
    assert await told(scoped) == ("mine", 2)


async def test_only_the_named_topics_are_told_also_by_wildcards(house: House, issue: Issue) -> None:
    mine = await make(house, "mine")
    peer = await page(house, await issue(devices=(mine.id,), topics=("event",)))
    await peer.subscribe(f"{house.view_key}/#")
    device = await house.log_in(mine)
    device.send(report(1), report(2, b'{"method":"opened","params":{}}', topic="event/report/9"))
    assert (await peer.receive(Publish)).topic == f"{house.view_key}/{mine.view_token}/event/report"
    await peer.receive_nothing()


async def test_what_no_scope_includes_is_not_subscribed_to(house: House, issue: Issue) -> None:
    mine = await make(house, "mine")
    peer = await page(house, await issue(devices=(mine.id,)))
    key, device = house.view_key, mine.view_token
    for topic_filter in (
        "#",
        "+/+/attributes",
        "otherkey00/+/attributes",
        f"{key}/{device}/trace",
        f"{key}/+/trace",
        f"{key}/$project/changed",
        f"{key}/$project/#",
        f"{key}/{device}/command",
        f"{key}/+/online",
        f"$share/pages/{key}/+/attributes",
        f"$share/pages/{key}/#",
    ):
        assert (await peer.subscribe(topic_filter)).reason_codes[0] == ReasonCode.NOT_AUTHORIZED, topic_filter
    peer.send(Publish(f"{key}/{device}/attributes", b"{}", qos=1, packet_id=9))
    assert (await peer.receive(Puback)).reason_code == ReasonCode.NOT_AUTHORIZED


async def test_a_device_is_told_of_while_it_is_of_the_type(house: House, issue: Issue) -> None:
    types = house.platform.device_types
    kind = await types.create(house.project_id, NewDeviceType(name="pump"))
    mine = await make(house, "mine", type_id=kind.id)
    peer = await page(house, await issue(types=(kind.id,)))
    await peer.subscribe(f"{house.view_key}/#")
    await reports(house, mine, 1)
    assert await told(peer) == ("mine", 1)
    await house.platform.devices.change_type(house.project_id, mine.id, None)
    await reports(house, mine, 2)
    await house.platform.devices.change_type(house.project_id, mine.id, kind.id)
    await reports(house, mine, 3)
    assert await told(peer) == ("mine", 3)


async def test_a_device_is_told_of_while_it_is_in_the_group(house: House, issue: Issue) -> None:
    groups = house.platform.device_groups
    mine = await make(house, "mine")
    site = await groups.create(house.project_id, NewDeviceGroup(name="site"))
    whole = await page(house, house.view_secret)  # its cards of devices have no groups
    await whole.subscribe(f"{house.view_key}/+/attributes")
    await reports(house, mine, 0)
    peer = await page(house, await issue(groups=(site.id,)))
    await peer.subscribe(f"{house.view_key}/#")
    await reports(house, mine, 1)
    await groups.add_devices(house.project_id, site.id, [mine.id])
    await reports(house, mine, 2)
    assert await told(peer) == ("mine", 2)
    await groups.remove_devices(house.project_id, site.id, [mine.id])
    await reports(house, mine, 3)
    await groups.add_devices(house.project_id, site.id, [mine.id])
    await reports(house, mine, 4)
    assert await told(peer) == ("mine", 4)
    await groups.delete(house.project_id, site.id)
    await reports(house, mine, 5)
    await peer.receive_nothing()
    assert [(await told(whole))[1] for _ in range(6)] == [0, 1, 2, 3, 4, 5]


async def test_a_token_of_another_project_is_refused(house: House, issue: Issue) -> None:
    mine = await make(house, "mine")
    token = await issue(devices=(mine.id,))
    await house.platform.projects.create(admin_password="correct horse battery")
    [other] = [each for each in await house.store.projects.list_all() if each.id != house.project_id]
    assert await refused(house, token, other.view_key) == ReasonCode.BAD_USER_NAME_OR_PASSWORD
    assert await refused(house, token, "nosuchkey0") == ReasonCode.BAD_USER_NAME_OR_PASSWORD
    assert await refused(house, token[:-2]) == ReasonCode.BAD_USER_NAME_OR_PASSWORD
    assert await refused(house, "st.") == ReasonCode.BAD_USER_NAME_OR_PASSWORD
    assert await refused(house, "st." + "A" * 5_000) == ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def test_a_token_of_the_largest_scope_is_admitted(house: House, issue: Issue) -> None:
    new = [NewDevice(name=f"d{number}") for number in range(SCOPE_DEVICES_COUNT)]
    devices = [await house.platform.devices.create(house.project_id, each) for each in new]
    token = await issue(devices=tuple(device.id for device in devices), topics=get_args(ScopedTopic))
    peer = await page(house, token)
    await peer.subscribe(f"{house.view_key}/+/attributes")
    await reports(house, devices[-1], 7)
    assert await told(peer) == ("d99", 7)


async def test_a_connection_ends_when_its_token_expires(house: House, issue: Issue) -> None:
    mine = await make(house, "mine")
    token = await issue(1, devices=(mine.id,))
    peer = await page(house, token)
    await peer.subscribe(f"{house.view_key}/#")
    assert await closed(peer) == ReasonCode.ADMINISTRATIVE_ACTION
    assert await refused(house, token) == ReasonCode.BAD_USER_NAME_OR_PASSWORD


@pytest.mark.parametrize("end", ["delete", "reset", "demote"])
async def test_a_connection_ends_with_the_application_that_issued_its_token(
    house: House, issue: Issue, application: Application, end: str
) -> None:
    mine = await make(house, "mine")
    token = await issue(devices=(mine.id,))
    peer = await page(house, token)
    accounts, project_id = house.platform.accounts, house.project_id
    await accounts.rename_application(project_id, application.id, "pages")
    await peer.receive_nothing()
    if end == "delete":
        await accounts.delete_application(project_id, application.id)
    elif end == "reset":
        await accounts.reset_application(project_id, application.id)
    else:
        await accounts.set_application_role(project_id, application.id, "viewer")
    assert await closed(peer) == ReasonCode.ADMINISTRATIVE_ACTION
    assert await refused(house, token) == ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def test_connections_and_filters_of_a_token_are_bounded(
    house: House, issue: Issue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_watch, "SCOPED_CONNECTIONS_COUNT", 2)
    mine = await make(house, "mine")
    token = await issue(devices=(mine.id,))
    peer, another = await page(house, token), await page(house, token)
    assert await refused(house, token) == ReasonCode.CONNECTION_RATE_EXCEEDED
    await another.close()
    while await refused(house, token) == ReasonCode.CONNECTION_RATE_EXCEEDED:
        pass
    filters = [f"{house.view_key}/+/attributes/{number}" for number in range(SCOPED_FILTERS_COUNT + 1)]
    codes = [(await peer.subscribe(topic_filter)).reason_codes[0] for topic_filter in filters]
    assert codes == [0] * SCOPED_FILTERS_COUNT + [ReasonCode.QUOTA_EXCEEDED]
