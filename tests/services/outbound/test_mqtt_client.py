"""The outgoing MQTT client: what it sends, what it repeats, and what a hostile broker cannot do to it."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.services.outbound.brokers import TIMEOUT_S, ScriptedBroker, Visit, free_port, mosquitto
from thingstead.model.outbound.mqtt import MqttEndpoint
from thingstead.mqtt.connection_packets import PINGRESP, Connack, Disconnect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.outbound.http import SendFailed
from thingstead.services.outbound.mqtt.client import MqttClient, MqttMessage
from thingstead.services.outbound.mqtt.link import ANSWER_BYTES_LIMIT, IN_FLIGHT_LIMIT
from thingstead.services.outbound.network import Resolver


@asynccontextmanager
async def client(
    port: int, *, scheme: str = "mqtt", private: bool = True, timeout_s: float = TIMEOUT_S, idle_s: float = 60,
    **members: Any,
) -> AsyncIterator[MqttClient]:  # fmt: skip
    endpoint = MqttEndpoint(url=f"{scheme}://localhost:{port}", topic="t", **members)
    resolver = Resolver()
    opened = MqttClient(endpoint, "thingstead", resolver, lambda: private, timeout_s, idle_s)
    try:
        async with asyncio.timeout(4 * TIMEOUT_S):
            yield opened
    finally:
        await opened.close()
        resolver.close()


def message(number: int, payload: bytes = b"{}") -> MqttMessage:
    return MqttMessage(f"id-{number}", f"t/{number}", payload)


async def run(*command: object) -> str:
    """The output of a program that succeeds."""
    arguments = [str(each) for each in command]
    done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def published(broker: ScriptedBroker, script: int) -> list[Publish]:
    """What a script returned."""
    found = broker.results[script]
    assert isinstance(found, list)
    return found


async def serve(visit: Visit) -> list[Publish]:
    await visit.connect()
    return await visit.serve()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_message_is_published_at_qos_1_with_its_id(version: str) -> None:
    async with ScriptedBroker(serve).open() as broker:
        async with client(broker.port, version=version) as opened:
            await opened.publish(message(1, b'{"a": 1}'))
        await broker.ended(1)
    [publish] = published(broker, 0)
    assert (publish.topic, publish.payload, publish.qos, publish.dup) == ("t/1", b'{"a": 1}', 1, False)
    assert publish.properties.get(Property.USER_PROPERTY) == ((("id", "id-1"),) if version == "5" else None)


async def test_the_session_is_kept_under_the_same_client_id() -> None:
    seen = []

    async def script(visit: Visit) -> list[Publish]:
        seen.append(await visit.connect())
        return await visit.serve()

    async with ScriptedBroker(script).open() as broker, client(broker.port, user_name="u", password="p") as opened:
        await opened.publish(message(1))
    [connect] = seen
    assert (connect.client_id, connect.clean_start) == ("thingstead", False)
    assert (connect.user_name, connect.password, connect.keep_alive) == ("u", b"p", 60)
    assert connect.properties[Property.SESSION_EXPIRY_INTERVAL] > 0


async def test_what_was_not_acknowledged_is_sent_again_with_dup_and_before_the_rest() -> None:
    async def lossy(visit: Visit) -> list[Publish]:
        await visit.connect()
        first, *others = [await visit.publish() for _ in range(3)]
        visit.send(Puback(first.packet_id))
        await asyncio.sleep(0)
        visit.drop()
        return [first, *others]

    async def second(visit: Visit) -> list[Publish]:
        await visit.connect(Connack(session_present=True))
        return await visit.serve()

    async with ScriptedBroker(lossy, second).open() as broker:
        async with client(broker.port) as opened:
            sent = [opened.offer(message(number)) for number in range(3)]
            await sent[0]
            late = asyncio.ensure_future(opened.publish(message(3)))
            await asyncio.gather(*sent, late)
        await broker.ended(2)
    before, after = published(broker, 0), published(broker, 1)
    assert [each.topic for each in after] == ["t/1", "t/2", "t/3"]
    assert [each.dup for each in after[:2]] == [True, True]
    assert [each.packet_id for each in after[:2]] == [each.packet_id for each in before[1:]]


async def test_a_broker_that_forgot_the_session_gets_new_messages_in_the_same_order() -> None:
    async def lossy(visit: Visit) -> None:
        await visit.connect()
        first, _ = [await visit.publish() for _ in range(2)]
        visit.send(Puback(first.packet_id))
        await asyncio.sleep(0)
        visit.drop()

    async with ScriptedBroker(lossy, serve).open() as broker:
        async with client(broker.port) as opened:
            await asyncio.gather(opened.offer(message(1)), opened.offer(message(2)))
        await broker.ended(2)
    assert [(each.topic, each.dup) for each in published(broker, 1)] == [("t/2", False)]


@pytest.mark.parametrize("most", [3, IN_FLIGHT_LIMIT])
async def test_no_more_are_in_flight_than_the_broker_allows(most: int) -> None:
    async def script(visit: Visit) -> int:
        await visit.connect(Connack(properties={Property.RECEIVE_MAXIMUM: most} if most < IN_FLIGHT_LIMIT else {}))
        waiting = []
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    waiting.append(await visit.publish())
        for each in waiting:
            visit.send(Puback(each.packet_id))
        await visit.serve()
        return len(waiting)

    async with ScriptedBroker(script).open() as broker:
        async with client(broker.port) as opened:
            await asyncio.gather(*(opened.offer(message(number)) for number in range(250)))
        await broker.ended(1)
    assert broker.results == [most]


async def test_a_message_that_failed_is_taken_up_again_under_its_id() -> None:
    async def silent(visit: Visit) -> Publish:
        await visit.connect()
        publish = await visit.publish()
        visit.drop()
        return publish

    async def second(visit: Visit) -> list[Publish]:
        await visit.connect(Connack(session_present=True))
        return await visit.serve()

    async with ScriptedBroker(silent, second).open() as broker:
        async with client(broker.port) as opened:
            with pytest.raises(SendFailed, match="closed the connection") as failed:
                await opened.publish(message(1))
            assert not failed.value.permanent
            with pytest.raises(SendFailed, match="closed the connection") as waiting:
                await opened.publish(message(1))
            assert waiting.value.retry_after_s == 1
            opened._not_before = 0  # the time has come
            await opened.publish(message(1))
        await broker.ended(2)
    assert [each.dup for each in published(broker, 1)] == [True]


async def test_a_message_that_the_broker_refuses_fails_alone() -> None:
    codes = {"t/1": ReasonCode.TOPIC_NAME_INVALID, "t/2": ReasonCode.NOT_AUTHORIZED}

    async def script(visit: Visit) -> None:
        await visit.connect()
        for _ in range(3):
            publish = await visit.publish()
            visit.send(Puback(publish.packet_id, codes.get(publish.topic, ReasonCode.SUCCESS)))
        await visit.next()

    async with ScriptedBroker(script).open() as broker, client(broker.port) as opened:
        sent = [opened.offer(message(number)) for number in range(3)]
        results = await asyncio.gather(*sent, return_exceptions=True)
    assert results[0] is None
    refused, unauthorized = results[1:]
    assert isinstance(refused, SendFailed)
    assert isinstance(unauthorized, SendFailed)
    assert refused.permanent
    assert "topic name invalid" in refused.reason
    assert not unauthorized.permanent
    assert refused.inner  # at a private address


async def test_a_message_beyond_the_packet_size_of_the_broker_is_refused_for_good() -> None:
    async def script(visit: Visit) -> list[Publish]:
        await visit.connect(Connack(properties={Property.MAXIMUM_PACKET_SIZE: 200}))
        return await visit.serve()

    async with ScriptedBroker(script).open() as broker, client(broker.port) as opened:
        for _ in range(2):  # before the limit is known, and after that
            with pytest.raises(SendFailed, match="at most 200 bytes") as failed:
                await opened.publish(message(1, b"x" * 200))
            assert failed.value.permanent
            await opened.publish(message(2))


REFUSED = Connack(reason_code=ReasonCode.BAD_USER_NAME_OR_PASSWORD, properties={Property.REASON_STRING: "who?"})
QOS_0 = Connack(properties={Property.MAXIMUM_QOS: 0})
HOSTILE: dict[str, tuple[str, bytes]] = {
    "the answer is not valid MQTT": ("", b"HTTP/1.1 400 Bad Request\r\n" + b"x" * 100),
    "the first packet is not a CONNACK": ("", PINGRESP),
    "a packet of": ("", b"\x20\xff\xff\x7f"),
    "refused the connection: 0x86 bad user name or password: who": ("", REFUSED.serialize(ProtocolVersion.V5)),
    "does not take messages at QoS 1": ("", QOS_0.serialize(ProtocolVersion.V5)),
    "PUBLISH is not expected": ("accepted", Publish("a", b"x").serialize(ProtocolVersion.V5)),
    "PINGRESP is not expected": ("accepted", PINGRESP),
    "ended the connection: 0x8B server shutting down": (
        "accepted", Disconnect(ReasonCode.SERVER_SHUTTING_DOWN).serialize(ProtocolVersion.V5)),
    "sends more than answers": ("accepted", Puback(77).serialize(ProtocolVersion.V5) * ANSWER_BYTES_LIMIT),
}  # fmt: skip


@pytest.mark.parametrize("said", HOSTILE)
async def test_an_answer_that_is_none_ends_the_connection_with_a_reason(said: str) -> None:
    when, answer = HOSTILE[said]

    async def script(visit: Visit) -> None:
        if when:
            await visit.connect()
        else:
            await visit.next()
        visit.send_bytes(answer)
        while await visit.next() is not None:
            pass

    async with ScriptedBroker(script).open() as broker, client(broker.port) as opened:
        with pytest.raises(SendFailed, match=said) as failed:
            await opened.publish(message(1))
        assert not failed.value.permanent
        assert failed.value.inner


@pytest.mark.parametrize("acknowledges", [False, True])
async def test_a_broker_that_is_silent_or_dribbles_is_given_up(acknowledges: bool) -> None:
    async def script(visit: Visit) -> None:
        if acknowledges:
            await visit.connect()
            await visit.publish()
        for _ in range(1_000):
            visit.send_bytes(Puback(999).serialize(ProtocolVersion.V5) if acknowledges else b"")
            await asyncio.sleep(0.05)

    async with ScriptedBroker(script).open() as broker, client(broker.port, timeout_s=1) as opened:
        with pytest.raises(SendFailed, match=r"no answer within 1 s|closed the connection"):
            await opened.publish(message(1))


async def test_a_broker_at_a_refused_address_is_not_connected_to() -> None:
    async with ScriptedBroker(serve).open() as broker, client(broker.port, private=False) as opened:
        with pytest.raises(SendFailed, match="an address that is refused") as failed:
            await opened.publish(message(1))
        assert failed.value.permanent
        assert broker.visits == 0


async def test_an_idle_connection_is_closed_and_opened_again() -> None:
    async with ScriptedBroker(serve).open() as broker, client(broker.port, idle_s=0.05) as opened:
        await opened.publish(message(1))
        await broker.ended(1)
        while not opened.idle:  # noqa: ASYNC110 - in this turn of the loop, or the next ones
            await asyncio.sleep(0)
        await opened.publish(message(2))
        assert opened.connections == 2


async def test_an_idle_connection_is_kept_alive() -> None:
    pinged = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.connect(Connack(properties={Property.SERVER_KEEP_ALIVE: 1}))
        visit.send(Puback((await visit.publish()).packet_id))
        await visit.next()
        pinged.set()

    async with ScriptedBroker(script).open() as broker, client(broker.port) as opened:
        await opened.publish(message(1))
        async with asyncio.timeout(TIMEOUT_S):
            await pinged.wait()


@pytest.mark.external("mosquitto", "mosquitto_sub", "openssl")
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_mosquitto_takes_messages_over_tls_with_a_client_certificate(version: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, ours = authority.sign("server"), authority.sign("client")
    port = free_port()
    lines = (
        f"cafile {authority.certificate}", f"certfile {server.certificate}", f"keyfile {server.key}",
        "require_certificate true", "use_identity_as_username true", "user root",
    )  # fmt: skip
    members: dict[str, Any] = {
        "version": version, "ca": authority.certificate.read_text(),
        "certificate": ours.certificate.read_text(), "key": ours.key.read_text(),
    }  # fmt: skip
    with mosquitto(tmp_path, port, *lines, "allow_anonymous false"):
        who = ("--cafile", authority.certificate, "--cert", ours.certificate, "--key", ours.key, "-i", "reader")
        subscribe = ["mosquitto_sub", "-h", "localhost", "-p", port, *who, "-c", "-q", "1", "-t", "t/#"]
        await run(*subscribe, "-E")
        async with client(port, scheme="mqtts", **members) as opened:
            await asyncio.gather(*(opened.offer(message(n, json.dumps(n).encode())) for n in range(200)))
        out = await run(*subscribe, "-C", "200")
        assert [int(line) for line in out.splitlines()] == list(range(200))
        async with client(port, scheme="mqtts", ca=members["ca"]) as opened:
            with pytest.raises(SendFailed, match=r"closed the connection|TLS|reset"):
                await opened.publish(message(1))
        async with client(port, scheme="mqtts", **{**members, "server_name": "other.example"}) as opened:
            with pytest.raises(SendFailed, match="the certificate is not accepted"):
                await opened.publish(message(1))
        async with client(port, scheme="mqtts") as opened:
            with pytest.raises(SendFailed, match="the certificate is not accepted"):
                await opened.publish(message(1))


@pytest.mark.external("mosquitto")
async def test_messages_reach_a_broker_that_is_killed_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    lines = ("allow_anonymous true", "user root")
    async with client(port) as opened:
        with mosquitto(tmp_path, port, *lines):
            await opened.publish(message(1))
        with pytest.raises(SendFailed):
            await opened.publish(message(2))
        opened._not_before = 0
        with mosquitto(tmp_path, port, *lines):
            await opened.publish(message(2))


@pytest.mark.parametrize("member", ["ca", "certificate"])
async def test_a_certificate_that_cannot_be_used_is_named_without_its_contents(member: str) -> None:
    members: dict[str, Any] = (
        {"certificate": "garbage", "key": "secret"} if member == "certificate" else {"ca": "garbage"}
    )
    async with ScriptedBroker(serve).open() as broker, client(broker.port, scheme="mqtts", **members) as opened:
        with pytest.raises(SendFailed, match="cannot be used") as failed:
            await opened.publish(message(1))
        assert "secret" not in failed.value.reason


@pytest.mark.external("openssl")
async def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    signed = Authority(tmp_path).sign("client")
    locked = tmp_path / "locked.key"
    await run("openssl", "pkey", "-in", signed.key, "-aes256", "-passout", "pass:word", "-out", locked)
    members: dict[str, Any] = {"certificate": signed.certificate.read_text(), "key": locked.read_text()}
    async with ScriptedBroker(serve).open() as broker, client(broker.port, scheme="mqtts", **members) as opened:
        with pytest.raises(SendFailed, match="the key is encrypted"):
            await opened.publish(message(1))
