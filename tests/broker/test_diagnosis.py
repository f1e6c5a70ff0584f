"""The checklist of a device: what it finds about devices that do not work, and about one that does."""

import asyncio
from typing import Any

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, Peer, report
from tests.broker.test_tcp import STREAM, TcpPeer
from thingstead.errors import DeviceOffline
from thingstead.model.device import Device
from thingstead.model.device_type import Functions
from thingstead.model.messages import PresenceChanged
from thingstead.model.modbus.tables import ModbusTables, RegisterGroup, StreamTable
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.publish_packets import Puback
from thingstead.refusals import Reason, reason
from thingstead.services.diagnosis.texts import english
from thingstead.services.registry.new_device import NewDevice
from thingstead.services.shared.commits import settled


async def checked(house: House, device: Device) -> dict[str, tuple[str, str]]:
    """State and code of each check, whose texts can all be filled."""
    await settled(house.store.history.touch(device.number, "connect", 1))  # what is written behind is on disk by then
    found = await house.platform.diagnosis.check(house.project_id, device.id)
    assert all(english(finding.code, finding.args)[0] for finding in found)
    return {finding.check: (finding.state, finding.code) for finding in found}


async def args_of(house: House, device: Device, check: str) -> Any:
    found = await house.platform.diagnosis.check(house.project_id, device.id)
    return next(finding.args for finding in found if finding.check == check)


async def well(house: House, device: Device) -> Peer:
    peer = await house.log_in(device, keep_alive=60)
    await peer.subscribe("command/send/+", "attributes/push")
    peer.send(report(1, b'{"t":1}'))
    await peer.receive(Puback)
    return peer


async def test_a_device_that_works_has_nothing_to_be_told(house: House) -> None:
    device = await house.device()
    await well(house, device)
    found = await checked(house, device)
    assert {state for state, _ in found.values()} == {"ok"}
    assert found.keys() == {
        "certificate", "session", "rivals", "keep_alive", "reports", "rejected", "clock", "subscriptions"
    }  # fmt: skip
    assert (await args_of(house, device, "subscriptions"))["filters"] == ["command/send/+", "attributes/push"]


async def test_a_device_that_never_came(house: House) -> None:
    device = await house.device()
    found = await checked(house, device)
    assert found["session"] == ("bad", "never_connected")
    assert found["subscriptions"] == ("unknown", "subscriptions_unknown")


async def test_a_device_that_never_came_with_an_access_token_of_no_device(house: House) -> None:
    device = await house.device()
    other = (await house.platform.projects.create()).project_id
    stranger = await house.platform.devices.create(other, NewDevice(name="stranger"))
    project = await house.store.projects.get(house.project_id)
    peer = await house.peer()
    key = project.project_key.encode()
    peer.send(Connect(peer.version, client_id="c", user_name=f"{device.access_token[:-1]}_", password=key))
    assert (await peer.receive(Connack)).reason_code
    [found, *_] = await house.platform.diagnosis.check(house.project_id, device.id)
    assert (found.state, found.code, found.args["plane"]) == ("bad", "unknown_token_seen", "mqtt")
    [found, *_] = await house.platform.diagnosis.check(other, stranger.id)
    assert found.code == "certificate_never_used", "it had the ProjectKey of another project"


async def test_a_device_that_left_without_a_report(house: House) -> None:
    device = await house.device()
    gone = asyncio.Event()
    house.bus.subscribe(PresenceChanged, lambda news: None if news.online else gone.set())
    peer = await house.log_in(device)
    assert (await checked(house, device))["reports"] == ("bad", "connected_without_report")
    peer.send(Disconnect())
    async with asyncio.timeout(TIMEOUT_S):
        await gone.wait()
    assert (await checked(house, device))["reports"] == ("bad", "left_without_report")


async def test_a_device_whose_reports_were_all_refused(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    peer.send(report(1, b"[1]"))
    await peer.receive(Puback)
    assert (await checked(house, device))["reports"] == ("bad", "all_refused")


async def test_a_wrong_project_key_is_named_until_the_right_one_came(house: House) -> None:
    device = await house.device()
    peer = await house.peer()
    peer.send(Connect(peer.version, client_id="c", user_name=device.access_token, password=b"wrong"))
    await peer.receive(Connack)
    found = await checked(house, device)
    assert found["certificate"] == ("bad", "log_in_refused")
    assert found["session"] == ("bad", "never_admitted")
    assert (await args_of(house, device, "certificate"))["reason_code"] == "wrong_project_key"
    await asyncio.sleep(0.002)  # the clock counts in ms
    await well(house, device)
    assert (await checked(house, device))["certificate"] == ("warn", "other_log_in_refused")


async def test_a_device_that_left_says_why(house: House) -> None:
    device = await house.device()
    peer = await well(house, device)
    gone = asyncio.Event()
    house.bus.subscribe(PresenceChanged, lambda news: gone.set())
    peer.send(Disconnect())
    async with asyncio.timeout(TIMEOUT_S):
        await gone.wait()
    found = await checked(house, device)
    assert found["session"] == ("bad", "session_ended")
    assert (await args_of(house, device, "session"))["reason_code"] == "device_disconnected"


async def test_a_silent_device_that_is_connected(house: House) -> None:
    device = await house.device()
    await house.log_in(device, keep_alive=0)
    found = await checked(house, device)
    assert found["reports"] == ("bad", "connected_without_report")
    assert found["keep_alive"] == ("warn", "keep_alive_off")
    assert found["subscriptions"] == ("warn", "subscribed_to_nothing")


async def test_a_command_that_cannot_arrive(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, keep_alive=1_200)
    await peer.subscribe("command/send", "attributes/push")
    found = await checked(house, device)
    assert found["subscriptions"] == ("warn", "no_filter_for_commands")
    assert found["keep_alive"] == ("warn", "keep_alive_long")
    with pytest.raises(DeviceOffline, match="not subscribed"):
        await house.platform.control.send_command(house.project_id, device.id, "open")
    assert (await checked(house, device))["commands"] == ("warn", "last_command_failed")
    assert (await args_of(house, device, "commands"))["reason_args"] == {"topic": "command/send/1000"}
    await house.platform.control.send_command(house.project_id, device.id, "open", wait_ms=60_000)
    assert (await checked(house, device))["commands"] == ("warn", "commands_waiting")
    await peer.subscribe("command/send/+")
    assert (await checked(house, device))["subscriptions"] == ("ok", "commands_can_arrive")


async def test_a_refused_report_and_a_clock_that_is_ahead(house: House) -> None:
    device = await house.device()
    peer = await well(house, device)
    peer.send(report(2, b"{", 1))
    await peer.receive(Puback)
    found = await checked(house, device)
    assert found["rejected"] == ("bad", "last_message_refused")
    ahead = house.clock.now_ms() + 3_600_000
    peer.send(report(3, b'{"ts":%d,"attributes":{"t":2}}' % ahead, topic="attributes/series"))
    await peer.receive(Puback)
    found = await checked(house, device)
    assert (found["clock"], found["rejected"][0]) == (("bad", "clock_ahead"), "warn")
    peer.send(report(4, b'{"ts":%d,"attributes":{"t":2}}' % (ahead + 48 * 3_600_000), topic="attributes/series"))
    await peer.receive(Puback)
    assert (await checked(house, device))["clock"] == ("bad", "timestamps_in_future")


async def test_a_device_behind_a_gateway_is_as_well_as_its_gateway(house: House) -> None:
    gateway = await house.device(conn_type="3")
    device = await house.device(conn_type="2", gateway_id=gateway.id, sub_address="a1")
    assert (await checked(house, device))["gateway"] == ("bad", "gateway_offline")
    peer = await house.log_in(gateway)
    await peer.subscribe("gateway/attributes/push")
    peer.send(report(1, b'{"a1":{"t":1}}', topic="gateway/attributes"))
    await peer.receive(Puback)
    found = await checked(house, device)
    assert found["gateway"] == ("ok", "gateway_online")
    assert found["subscriptions"] == ("warn", "no_filter_for_commands")
    alone = await house.device(conn_type="2")
    assert (await checked(house, alone))["gateway"] == ("bad", "without_gateway")


async def test_clients_that_fight_over_a_certificate_are_named(house: House) -> None:
    device = await house.device()
    for number in range(4):
        await house.log_in(device, client_id=f"client{number}")
    assert (await checked(house, device))["rivals"] == ("bad", "rival_clients")
    assert len((await args_of(house, device, "rivals"))["clients"]) >= 2


async def test_tcp_carries_data_alone(house: House) -> None:
    device = await house.device(STREAM)
    peer = await TcpPeer(house, device).connect()
    await peer.registered()
    assert (await checked(house, device))["subscriptions"] == ("warn", "tcp_carries_data_only")
    await peer.close()


async def test_keep_alive_of_mqtt_5_is_the_one_in_force(house: House) -> None:
    device = await house.device()
    await house.log_in(device, V5, keep_alive=0)
    assert (await checked(house, device))["keep_alive"][1] != "keep_alive_off"


@pytest.mark.parametrize(
    ("asked", "why", "finding"),
    [
        (0, None, ("ok", "modbus_begins")),
        (3, None, ("ok", "modbus_answered")),
        (3, reason("modbus_no_answer", unit=1, timeout_ms=1_000), ("bad", "modbus_silent")),
        (3, reason("modbus_no_value"), ("warn", "modbus_wrong")),
    ],
)
async def test_a_device_is_told_whether_its_modbus_units_answer(
    house: House, asked: int, why: Reason | None, finding: tuple[str, str]
) -> None:
    group = RegisterGroup(unit_id=1, function=3, address=0, count=1, interval_ms=60_000)
    tables = ModbusTables(streams=(StreamTable(identifier="port", groups=(group,)),))
    device = await house.device(Functions())
    assert device.type_id is not None
    await house.platform.device_types.put_modbus(house.project_id, device.type_id, tables)
    await house.platform.modbus_polls.sweep()
    await well(house, device)
    assert (await checked(house, device))["modbus"] in (("warn", "modbus_not_polled"), ("ok", "modbus_begins"))
    await house.platform.modbus_polls.sweep()
    [state] = house.platform.modbus_polls.streams.polled.values()
    state.groups[0].asked, state.groups[0].why = asked, why
    assert (await checked(house, device))["modbus"] == finding
