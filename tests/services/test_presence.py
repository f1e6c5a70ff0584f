"""A device is online exactly while the row of its live session exists."""

import asyncio
import random
import sqlite3
from contextlib import closing

import msgspec
import pytest
import structlog

from tests.services.conftest import NOW, Workshop
from tests.storage.test_full_disk import nothing_can_be_written
from tests.stores import warnings_of
from thingstead.errors import NotAuthenticated, Unavailable
from thingstead.model.device import Device, DeviceSession, Page
from thingstead.model.messages import PresenceChanged
from thingstead.services.presence import presence
from thingstead.services.presence.presence import PresenceService
from thingstead.services.shared.commits import settled


def session(session_id: str) -> DeviceSession:
    return DeviceSession(session_id=session_id, node="node1", protocol="mqtt", connected_at=NOW)


async def online(workshop: Workshop, device: Device) -> bool:
    return (await workshop.store.devices.get_view("p1", device.id)).online


async def test_a_device_logs_in_with_its_token_and_its_projects_key(workshop: Workshop) -> None:
    device = await workshop.add_device()
    assert (await workshop.presence.authenticate(device.access_token, "key-p1", "192.0.2.1")).id == device.id


@pytest.mark.parametrize("project_key", ["", "key-p2", "key-p1 ", "\ud800"])
async def test_a_wrong_project_key_is_not_told_apart_from_a_wrong_token(workshop: Workshop, project_key: str) -> None:
    await workshop.add_project("p2")
    device = await workshop.add_device()
    with pytest.raises(NotAuthenticated) as wrong_key:
        await workshop.presence.authenticate(device.access_token, project_key, "192.0.2.1")
    with pytest.raises(NotAuthenticated) as wrong_token:
        await workshop.presence.authenticate("nobody", "key-p1", "192.0.2.1")
    assert wrong_key.value.message == wrong_token.value.message


async def test_a_log_in_with_the_wrong_project_key_stands_in_the_log_of_the_device(workshop: Workshop) -> None:
    device = await workshop.add_device()
    with pytest.raises(NotAuthenticated):
        await workshop.presence.authenticate(device.access_token, "key-p2", "192.0.2.1")
    await settled(workshop.store.history.touch(device.number, "data", NOW))
    entries, _ = await workshop.logs.list_page(device, "rejected", Page())
    assert [entry.body["reason"] for entry in entries] == [
        "a log-in from 192.0.2.1: the AccessToken is valid, the ProjectKey is wrong"
    ]
    assert "key-p2" not in str(entries)


async def test_a_device_whose_log_in_is_given_up_while_it_is_stored_comes_online_before_it_goes_offline(
    workshop: Workshop,
) -> None:
    heard: list[bool] = []
    workshop.bus.subscribe(PresenceChanged, lambda news: heard.append(news.online))
    device = await workshop.add_device()
    for number in range(4):
        opening = asyncio.ensure_future(workshop.presence.open(device, session(str(number))))
        for _ in range(number):
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await workshop.presence.close(device, str(number), "the log-in failed")
        assert not await online(workshop, device)
    assert heard in ([True, False] * count for count in range(5))


async def test_of_many_sessions_that_an_earlier_run_left_each_ends_before_its_device_connects_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "TOLD_AT_START", 2)
    monkeypatch.setattr(presence, "ENDED_AT_ONCE", 2)
    devices = [await workshop.add_device() for _ in range(7)]
    for device in devices:
        await workshop.store.presence.open_session(device.number, session(f"old {device.number}"))
    heard: dict[str, list[bool]] = {device.id: [] for device in devices}
    workshop.bus.subscribe(PresenceChanged, lambda news: heard[news.device_id].append(news.online))
    service = PresenceService(workshop.store, workshop.bus, workshop.clock, workshop.logs, "node1")
    assert await service.recover() == 7
    assert sum(map(len, heard.values())) < 7
    assert [await online(workshop, device) for device in devices] == [False] * 7
    await asyncio.gather(*(service.open(device, session(f"new {device.number}")) for device in devices[::2]))
    await service.tell_left()
    await service.stop()
    assert list(heard.values()) == [[False, True], [False]] * 3 + [[False, True]]


async def test_a_takeover_is_one_event_and_the_old_session_ends_unheard(workshop: Workshop) -> None:
    heard: list[PresenceChanged] = []
    workshop.bus.subscribe(PresenceChanged, heard.append)
    device = await workshop.add_device()
    await workshop.presence.open(device, session("a"))
    await workshop.presence.open(device, session("b"))
    await workshop.presence.close(device, "a", "network lost")
    assert await online(workshop, device)
    await workshop.presence.close(device, "b", "disconnected")
    assert not await online(workshop, device)
    assert [(news.online, news.session_id, news.replaced) for news in heard] == [
        (True, "a", None),
        (True, "b", "a"),
        (False, "b", None),
    ]


async def test_a_restarted_node_has_no_sessions_and_tells_their_end(workshop: Workshop) -> None:
    heard: list[PresenceChanged] = []
    device, elsewhere = await workshop.add_device(), await workshop.add_device()
    await workshop.presence.open(device, session("a"))
    await workshop.presence.open(elsewhere, msgspec.structs.replace(session("b"), node="node2"))
    workshop.bus.subscribe(PresenceChanged, heard.append)
    assert await workshop.presence.recover() == 1
    assert await workshop.presence.recover() == 0
    assert [(news.device_id, news.online, news.session_id) for news in heard] == [(device.id, False, "a")]
    assert not await online(workshop, device)
    assert await online(workshop, elsewhere)
    await settled(workshop.store.history.touch(device.number, "data", NOW))
    entries, _ = await workshop.logs.list_page(device, "connection", Page())
    assert [(entry.body["online"], entry.body["reason"]) for entry in entries] == [
        (False, "the server was restarted"),
        (True, "connected"),
    ]


async def test_a_session_that_is_stored_is_open_whatever_else_of_its_device_cannot_be(workshop: Workshop) -> None:
    heard: list[bool] = []
    workshop.bus.subscribe(PresenceChanged, lambda news: heard.append(news.online))
    device = await workshop.add_device()
    with closing(sqlite3.connect(workshop.store.path)) as connection:
        connection.execute("ALTER TABLE report_log RENAME TO away")
        await workshop.presence.open(device, session("a"))
        assert await online(workshop, device)
        connection.execute("ALTER TABLE away RENAME TO report_log")
    await workshop.presence.close(device, "a", "disconnected")
    assert heard == [True, False]


async def test_a_change_and_its_entry_in_the_log_are_stored_together(workshop: Workshop) -> None:
    device = await workshop.add_device()

    async def logged() -> list[tuple[bool, str]]:
        entries, _ = await workshop.logs.list_page(device, "connection", Page())
        return [(entry.body["online"], entry.body["session_id"]) for entry in reversed(entries)]

    await workshop.presence.open(device, session("a"))
    assert await logged() == [(True, "a")]
    await workshop.presence.close(device, "a", "ended")
    assert await logged() == [(True, "a"), (False, "a")]
    await workshop.presence.close(device, "a", "ended twice")
    await workshop.presence.open(device, session('gateway/"b"'))
    # The news of the end may never be told, if this process is killed, too; the log has it.
    await PresenceService(workshop.store, workshop.bus, workshop.clock, workshop.logs, "node1").recover()
    assert await logged() == [(True, "a"), (False, "a"), (True, 'gateway/"b"'), (False, 'gateway/"b"')]


async def test_a_fight_is_warned_of_once_in_a_while_and_names_each_client_once(workshop: Workshop) -> None:
    device = await workshop.add_device()
    with structlog.testing.capture_logs() as logs:
        for number in range(30):
            fighter = {"client_id": f"client{number % 2}", "remote_address": f"10.0.0.{number % 2}:{4000 + number}"}
            await workshop.presence.open(device, msgspec.structs.replace(session(f"s{number}"), **fighter))
    [warning] = warnings_of(logs)
    assert [client["client_id"] for client in warning["clients"]] == ["client0", "client1"]
    clients = await workshop.presence.conflict(device)
    assert [client["remote_address"] for client in clients] == ["10.0.0.0:4028", "10.0.0.1:4029"]


@pytest.mark.parametrize("seed", range(20))
async def test_under_any_interleaving_online_equals_a_live_session_and_news_alternate(
    workshop: Workshop, seed: int
) -> None:
    rng = random.Random(seed)
    heard: list[PresenceChanged] = []
    workshop.bus.subscribe(PresenceChanged, heard.append)
    device = await workshop.add_device()
    connected: list[str] = []  # all that did not notice their end yet; the last one owns the device
    owner: str | None = None
    for number in range(40):
        if not connected or rng.random() < 0.5:
            connected.append(f"s{number}")
            owner = connected[-1]
            await workshop.presence.open(device, session(owner))
        else:
            ended = connected.pop(rng.randrange(len(connected)))
            await workshop.presence.close(device, ended, "ended")
            owner = None if ended == owner else owner
        assert await online(workshop, device) == (owner is not None)
    state = False
    for news in heard:
        assert news.online != state or news.replaced is not None
        state = news.online


async def test_a_session_that_ends_on_a_full_disk_is_ended_when_there_is_room(workshop: Workshop) -> None:
    heard: list[PresenceChanged] = []
    devices = [await workshop.add_device() for _ in range(3)]
    for number, device in enumerate(devices):
        await workshop.presence.open(device, session(f"s{number}"))
    workshop.bus.subscribe(PresenceChanged, heard.append)
    with nothing_can_be_written(workshop.store.path):
        for number, device in enumerate(devices):
            await workshop.presence.close(device, f"s{number}", "disconnected")
        with pytest.raises(Unavailable):
            await workshop.presence.open(devices[1], session("refused"))
        await workshop.presence.close(devices[1], "refused", "the log-in failed")
        await workshop.presence.end_again()
        assert heard == []
        assert await online(workshop, devices[0])
    workshop.clock.advance(5_000)
    await workshop.presence.open(devices[2], session("again"))
    await workshop.presence.end_again()
    assert [await online(workshop, device) for device in devices] == [False, False, True]
    assert [(news.session_id, news.online, news.replaced, news.ts) for news in heard] == [
        ("again", True, "s2", NOW),
        ("s0", False, None, NOW),
        ("s1", False, None, NOW),
    ]
    await workshop.presence.stop()


async def test_the_presence_of_a_device_never_goes_back_in_time(workshop: Workshop) -> None:
    heard: list[PresenceChanged] = []
    workshop.bus.subscribe(PresenceChanged, heard.append)
    device = await workshop.add_device()
    for number, step_ms in enumerate((0, 7, -8_000, -1, 20_000)):
        workshop.clock.advance(step_ms)
        current = msgspec.structs.replace(session(f"s{number}"), connected_at=workshop.clock.now_ms())
        await workshop.presence.open(device, current)
        await workshop.presence.close(device, f"s{number}", "ended")
        # After a restart the log of the device tells.
        workshop.presence = PresenceService(workshop.store, workshop.bus, workshop.clock, workshop.logs, "node1")
    assert [news.ts - NOW for news in heard] == [0, 0, 7, 7, 7, 7, 7, 7, 12_006, 12_006]
    await settled(workshop.store.history.touch(device.number, "data", NOW))
    entries, _ = await workshop.logs.list_page(device, "connection", Page())
    assert [entry.ts for entry in reversed(entries)] == [news.ts for news in heard]
