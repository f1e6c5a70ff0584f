"""A device on MQTT, over real sockets."""

import asyncio
from typing import Any

import pytest

from tests.client.cable import Cable
from tests.client.conftest import Registered, Site, register, until
from thingstead.client import (
    Broker,
    Certificate,
    MqttDevice,
    PastReport,
    ReceivedCommand,
    control,
    data,
    device_types,
    devices,
    logs,
)
from thingstead.client import mqtt_device as module
from thingstead.client.expectations import ACCEPTED
from thingstead.errors import Conflict, InvalidInput, NotAuthenticated, Unavailable

FUNCTIONS = {"attributes": [{"identifier": "level", "data_type": "number", "data_options": {"max": 10}}]}


async def values(site: Site, device: Registered) -> dict[str, Any]:
    return {item.identifier: item.value for item in await site.api.run(data.attributes(device.id)) if item.ts}


async def typed(site: Site) -> Registered:
    created = await site.api.run(device_types.create("pumps", functions=FUNCTIONS))
    return await register(site, type=created.id)


async def test_a_report_is_kept_when_it_returns(site: Site, pump: Registered) -> None:
    async with MqttDevice(pump.certificate, site.broker) as device:
        assert await device.report({"level": 5, "on": True}) == []
        assert await values(site, pump) == {"level": 5, "on": True}
        assert (await site.api.run(devices.read(pump.id))).online
        assert await device.attributes() == {"level": 5, "on": True}
        assert await device.attributes("on", "absent") == {"on": True}


async def test_what_is_left_out_is_named(site: Site) -> None:
    pump = await typed(site)
    async with MqttDevice(pump.certificate, site.broker) as device:
        assert await device.report({"level": 11, "on": True}) == ["level: 11 is above the maximum 10"]
        with pytest.raises(InvalidInput, match="above the maximum"):
            await device.report({"level": 11})
        assert await device.report({"level": 9}) == []
    assert await values(site, pump) == {"level": 9, "on": True}


async def test_answers_belong_to_their_reports(site: Site) -> None:
    pump = await typed(site)
    async with MqttDevice(pump.certificate, site.broker) as device:
        reports = [device.report({"level": level, "n": level}) for level in range(8, 14)]
        outcomes = await asyncio.gather(*reports)
    assert outcomes == [[], [], [], *([f"level: {level} is above the maximum 10"] for level in range(11, 14))]


async def test_reports_of_the_past_keep_their_time(site: Site, pump: Registered) -> None:
    async with MqttDevice(pump.certificate, site.broker) as device:
        past = [PastReport(ts=1_700_000_000_000 + n, attributes={"level": n}) for n in range(3)]
        assert await device.report_past(past) == []
    points = await site.api.run(data.series(pump.id, "level"))
    assert [(point.ts, point.value) for point in points] == [(1_700_000_000_000 + n, n) for n in (2, 1, 0)]


async def test_events_and_data_go_up(site: Site, pump: Registered) -> None:
    async with MqttDevice(pump.certificate, site.broker) as device:
        await device.event("opened", {"by": "badge"})
        await device.data("frames", b"\x00\xff")
    events = [item async for item in site.api.items(logs.events(pump.id))]
    assert [(event.method, event.params) for event in events] == [("opened", {"by": "badge"})]
    frames = [item async for item in site.api.items(logs.data(pump.id))]
    assert [(frame.identifier, frame.payload) for frame in frames] == [("frames", "hex:00ff")]


async def test_pushes_commands_and_data_come_down(site: Site, pump: Registered) -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()

    async def command(command: ReceivedCommand) -> dict[str, Any]:
        await got.put(command)
        return {"done": command.params["by"]}

    device = MqttDevice(
        pump.certificate,
        site.broker,
        push=got.put_nowait,
        command=command,
        data=lambda identifier, payload: got.put_nowait((identifier, payload)),
    )
    async with device:
        await site.api.run(control.push_attributes(pump.id, {"on": True}))
        assert await got.get() == {"on": True}
        await site.api.run(control.send_data(pump.id, "frames", "00ff", kind="hex"))
        assert await got.get() == ("frames", b"\x00\xff")
        await site.api.run(control.send_command(pump.id, "turn", {"by": 3}, id=7))
        assert await got.get() == ReceivedCommand(method="turn", params={"by": 3}, id=7)
        await device.report({"on": True})  # after the reply, on the same connection
    commands = [item async for item in site.api.items(logs.commands(pump.id))]
    assert [(item.state, item.reply["params"]) for item in commands] == [("replied", {"done": 3})]


async def test_a_failing_handler_does_not_keep_the_next_message_from_its_turn(
    site: Site, pump: Registered, caplog: pytest.LogCaptureFixture
) -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()

    def push(attributes: dict[str, Any]) -> None:
        if attributes["n"] == 1:
            raise ValueError("not one")
        got.put_nowait(attributes)

    async with MqttDevice(pump.certificate, site.broker, push=push):
        for number in (1, 2):
            await site.api.run(control.push_attributes(pump.id, {"n": number}))
        assert await got.get() == {"n": 2}
    assert "attributes/push could not be handled" in caplog.text


async def test_slow_handlers_make_the_server_wait_and_lose_nothing(
    site: Site, pump: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INBOX_LIMIT", 4)
    got: list[int] = []
    may_go_on = asyncio.Event()

    async def push(attributes: dict[str, Any]) -> None:
        await may_go_on.wait()
        got.append(attributes["n"])
        if len(got) == 20:
            done.set()

    done = asyncio.Event()
    async with MqttDevice(pump.certificate, site.broker, push=push) as device:
        for number in range(20):
            await site.api.run(control.push_attributes(pump.id, {"n": number}))
        assert device._inbox.qsize() <= 20
        may_go_on.set()
        await done.wait()
    assert got == list(range(20))


async def test_a_wrong_certificate_is_refused_at_once(site: Site, pump: Registered) -> None:
    wrong = Certificate("0123456789abcdef", pump.certificate.project_key)
    with pytest.raises(NotAuthenticated):
        await MqttDevice(wrong, site.broker).open()


async def test_a_server_that_is_not_there_is_unavailable(pump: Registered, cable: Cable) -> None:
    cable.down = True
    with pytest.raises(Unavailable):
        await MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port)).open()


async def test_a_cut_connection_comes_back_with_its_subscriptions(site: Site, pump: Registered, cable: Cable) -> None:
    got: asyncio.Queue[Any] = asyncio.Queue()
    async with MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port), push=got.put_nowait) as device:
        await device.report({"n": 1})
        cable.cut()
        await device.report({"n": 2})
        assert cable.connections == 2
        await site.api.run(control.push_attributes(pump.id, {"on": True}))
        assert await got.get() == {"on": True}


async def test_what_was_not_acknowledged_is_sent_again(site: Site, pump: Registered, cable: Cable) -> None:
    async with MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port)) as device:
        cable.deaf = True
        reports = [asyncio.ensure_future(device.report({"n": number})) for number in range(5)]

        async def arrived() -> bool:
            return (await values(site, pump)).get("n") == 4

        await until(arrived)
        assert not any(report.done() for report in reports)
        cable.deaf = False
        cable.cut()
        assert await asyncio.gather(*reports) == [[]] * 5


async def test_a_message_that_is_not_acknowledged_in_time_raises(pump: Registered, cable: Cable) -> None:
    device = MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port), timeout_s=0.1)
    async with device:
        cable.deaf = True
        with pytest.raises(Unavailable, match="attributes was not acknowledged within"):
            await device.report({"n": 1})
        cable.deaf = False
        cable.cut()
        await device.wait_connected()


async def test_a_silent_connection_is_given_up(pump: Registered, cable: Cable) -> None:
    async with MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port), keep_alive_s=1) as device:
        cable.deaf = True

        async def given_up() -> bool:
            return cable.connections == 2

        await until(given_up)
        cable.deaf = False
        cable.cut()
        await device.report({"n": 1})


async def test_a_session_that_is_taken_over_does_not_fight(site: Site, pump: Registered) -> None:
    first, second = (MqttDevice(pump.certificate, site.broker) for _ in range(2))
    async with first, second:
        with pytest.raises(Conflict, match="took over the session"):
            await first.ended()
        with pytest.raises(Conflict):
            await first.report({"n": 1})
        await second.report({"n": 2})


async def test_a_certificate_that_is_reset_ends_the_session(site: Site, pump: Registered) -> None:
    async with MqttDevice(pump.certificate, site.broker) as device:
        await site.api.run(devices.reset_certificate(pump.id))
        with pytest.raises(NotAuthenticated):
            await device.ended()


async def test_what_waits_when_a_device_is_closed_fails(pump: Registered, cable: Cable) -> None:
    async with MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port)) as device:
        cable.deaf = True
        report = asyncio.ensure_future(device.report({"n": 1}))
        reading = asyncio.ensure_future(device.attributes())
        await asyncio.sleep(0)
    for waiting in (report, reading):
        with pytest.raises(Unavailable):
            await waiting


async def test_a_cancellation_that_comes_together_with_the_answer_is_not_forgotten(
    pump: Registered, cable: Cable
) -> None:
    async with MqttDevice(pump.certificate, Broker("127.0.0.1", cable.port)) as device:
        cable.deaf = True
        report = asyncio.ensure_future(device.report({"n": 1}))
        await asyncio.sleep(0)
        expected = device._expectations._in_order["attributes/response"][0]
        expected.outcome.set_result(ACCEPTED)
        report.cancel()
        with pytest.raises(asyncio.CancelledError):
            await report
