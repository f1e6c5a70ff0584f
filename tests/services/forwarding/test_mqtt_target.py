"""Forwarding to a broker: in order, confirmed by PUBACK, repeated as far as it was not."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.services.forwarding.sessions import message, session
from tests.services.outbound.brokers import ScriptedBroker, Visit, free_port, mosquitto
from thingstead.model.forwarding.configs.mqtt import MqttConfig
from thingstead.mqtt.connection_packets import Connack
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.forwarding.target import TargetSession, TransientFailure

TOPIC = "up/{project_id}/{kind}/{device_id}/{device_name}"


def config(port: int, version: str = "5") -> MqttConfig:
    return MqttConfig(url=f"mqtt://127.0.0.1:{port}", topic=TOPIC, version=version)  # type: ignore[arg-type]


async def delivered(opened: TargetSession, numbers: Sequence[int]) -> None:
    """Sends until it is accepted, as a lane does."""
    while True:
        try:
            assert await opened.send([message(number) for number in numbers]) is None
            return
        except TransientFailure:
            await asyncio.sleep(0.05)


@pytest.mark.external("mosquitto", "mosquitto_sub")
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_batch_is_published_in_order(tmp_path: Path, version: str) -> None:
    port = free_port()
    with mosquitto(tmp_path, port, "allow_anonymous true", "user root"):
        subscribe = ["mosquitto_sub", "-p", str(port), "-i", "reader", "-c", "-q", "1", "-t", "#"]
        await asyncio.to_thread(subprocess.run, [*subscribe, "-E"], check=True, timeout=30)
        async with session("mqtt", config(port, version)) as opened:
            await delivered(opened, range(500))
        command = [*subscribe, "-v", "-C", "500"]
        out = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True, timeout=30)
    lines = out.stdout.splitlines()
    assert lines[0].startswith("up/ours/attributes/d1/Pump 1, north {")
    bodies = [json.loads(line.partition("{")[1] + line.partition("{")[2]) for line in lines]
    assert [body["attributes"]["n"] for body in bodies] == list(range(500))
    assert [body["id"] for body in bodies] == [f"m{number}" for number in range(500)]


async def test_only_what_was_not_acknowledged_is_sent_again() -> None:
    async def breaks(visit: Visit) -> list[str]:
        await visit.connect()
        taken = [await visit.publish() for _ in range(3)]
        visit.send(Puback(taken[0].packet_id))
        visit.send(Puback(taken[1].packet_id))
        await asyncio.sleep(0.01)
        visit.drop()
        return [publish.topic for publish in taken]

    async def refuses(visit: Visit) -> list[str]:
        await visit.next()
        visit.drop()
        return []

    async def takes(visit: Visit) -> list[Publish]:
        await visit.connect(Connack(session_present=True))
        return await visit.serve()

    async with ScriptedBroker(breaks, refuses, takes).open() as broker:
        async with session("mqtt", config(broker.port)) as opened:
            with pytest.raises(TransientFailure):
                await opened.send([message(number) for number in range(3)])
            opened._client._not_before = 0  # type: ignore[attr-defined] # the time has come
            assert await opened.send([message(number) for number in range(3)]) is None
        results = await broker.ended(3)
    assert isinstance(results[2], list)
    assert [(json.loads(each.payload)["id"], each.dup) for each in results[2]] == [("m2", True)]


async def test_a_message_that_is_refused_for_good_is_told_from_the_others() -> None:
    async def script(visit: Visit) -> None:
        await visit.connect()
        for code in (ReasonCode.SUCCESS, ReasonCode.PAYLOAD_FORMAT_INVALID, ReasonCode.SUCCESS):
            visit.send(Puback((await visit.publish()).packet_id, code))
        await visit.next()

    async with ScriptedBroker(script).open() as broker, session("mqtt", config(broker.port)) as opened:
        refusals = await opened.send([message(number) for number in range(3)])
    assert refusals is not None
    assert [refusal is None for refusal in refusals] == [True, False, True]
    assert refusals[1] is not None
    assert "payload format invalid" in refusals[1].reason.message


async def test_a_wrong_password_pauses_the_target() -> None:
    async def script(visit: Visit) -> None:
        await visit.connect(Connack(reason_code=ReasonCode.BAD_USER_NAME_OR_PASSWORD))
        await visit.next()

    async with ScriptedBroker(script).open() as broker, session("mqtt", config(broker.port)) as opened:
        with pytest.raises(TransientFailure, match="bad user name or password") as failed:
            await opened.send([message(1)])
    assert failed.value.pause


async def test_tenants_do_not_see_why_a_private_address_failed() -> None:
    async with session("mqtt", config(free_port()), shows=False) as opened:
        with pytest.raises(TransientFailure, match="not shown"):
            await opened.send([message(1)])
    async with session("mqtt", config(free_port()), private=False) as opened:
        with pytest.raises(TransientFailure, match="an address that is refused") as failed:
            await opened.send([message(1)])
    assert failed.value.pause
