"""MQTT sessions and retained messages: what was committed is there at the next start."""

from typing import Any

import msgspec

from tests.contract.conftest import Backend
from tests.contract.nouns import device, ended
from thingstead.model.mqtt_session import (
    KeptMessage,
    KeptSession,
    KeptSubscription,
    QueuedMessage,
    RetainedMessage,
    SessionRecord,
)
from thingstead.storage.base import Commit, Store


async def committed(commit: Commit) -> None:
    assert await ended(commit) is None


def session(number: int, **changes: Any) -> SessionRecord:
    return SessionRecord(**{"number": number, "client_id": f"client-{number}", "expiry_s": 60, **changes})


def queued(session: int, seq: int, message: int, **changes: Any) -> QueuedMessage:
    return QueuedMessage(**{"session": session, "seq": seq, "message": message, "packet_id": seq, "qos": 1, **changes})


async def test_a_session_comes_back_with_everything_in_it(store: Store, backend: Backend) -> None:
    sessions = store.mqtt_sessions
    record = session(1, expires_at=5, connected=False, will=b"will", will_delay_s=3, will_at=4, sent_seq=2)
    sessions.put_session(record)
    filters = (KeptSubscription("a/#", 2, 7), KeptSubscription("b", 0, 0))
    for subscription in reversed(filters):
        sessions.put_subscription(1, subscription)
    waiting = (
        queued(1, 8, 3, qos=2, retain=True, identifiers=(1, 268_435_455), share="$share/g/a"),
        queued(1, 9, 4),
    )
    messages = (KeptMessage(3, b"three", 99), KeptMessage(4, b"four", None))
    for message, entry in zip(messages, waiting, strict=True):
        sessions.enqueue(message, [entry])
    await committed(sessions.put_received(1, 65_535))
    kept = await (await backend.reopen()).mqtt_sessions.load()
    assert kept.sessions == (KeptSession(record, filters, waiting, (65_535,)),)
    assert kept.messages == messages


async def test_what_changes_in_a_session_is_kept_in_the_order_of_the_changes(store: Store) -> None:
    sessions = store.mqtt_sessions
    sessions.put_session(session(1))
    sessions.put_subscription(1, KeptSubscription("a", 0, 0))
    sessions.put_subscription(1, KeptSubscription("a", 1, 5))
    sessions.put_subscription(1, KeptSubscription("b", 1, 0))
    sessions.delete_subscription(1, "b")
    for packet_id in (1, 1, 2):
        sessions.put_received(1, packet_id)
    sessions.delete_received(1, 1)
    for seq in (1, 2):
        sessions.enqueue(KeptMessage(seq, b"m", None), [queued(1, seq, seq, qos=2)])
    sessions.delete_queued(1, 1)
    sessions.release_queued(1, 2)
    changed = session(1, expiry_s=0xFFFF_FFFF, connected=False, expires_at=None)
    await committed(sessions.put_session(changed))
    [kept] = (await sessions.load()).sessions
    assert kept == KeptSession(changed, (KeptSubscription("a", 1, 5),), (queued(1, 2, 2, qos=2, released=True),), (2,))


async def test_a_message_is_kept_as_long_as_anyone_waits_for_it(store: Store) -> None:
    sessions = store.mqtt_sessions
    for number in (1, 2, 3):
        sessions.put_session(session(number))
    message = KeptMessage(7, b"m", None)
    sessions.enqueue(message, [queued(1, 1, 7), queued(2, 2, 7)])
    sessions.enqueue(message, [queued(3, 3, 7)])
    sessions.delete_queued(1, 1)
    await committed(sessions.delete_session(2))
    assert (await sessions.load()).messages == (message,)
    await committed(sessions.delete_queued(3, 3))
    assert (await sessions.load()).messages == ()


async def test_changes_of_a_session_that_is_gone_are_passed_over(store: Store) -> None:
    sessions = store.mqtt_sessions
    sessions.put_session(session(1))
    sessions.delete_session(1)
    sessions.put_subscription(1, KeptSubscription("a", 0, 0))
    sessions.put_received(1, 1)
    await committed(sessions.enqueue(KeptMessage(1, b"m", None), [queued(1, 1, 1)]))
    kept = await sessions.load()
    assert (kept.sessions, kept.messages) == ((), ())


async def test_a_device_s_session_ends_with_the_device(store: Store) -> None:
    created = await store.devices.create(device())
    sessions = store.mqtt_sessions
    record = session(1, device_id=created.id)
    sessions.put_session(record)
    await committed(sessions.put_subscription(1, KeptSubscription("attributes/push", 1, 0)))
    assert [kept.record for kept in (await sessions.load()).sessions] == [record]
    await store.devices.delete("ours", created.id)
    sessions.put_session(msgspec.structs.replace(record, number=2))
    await committed(sessions.put_subscription(1, KeptSubscription("attributes/push", 1, 0)))
    assert (await sessions.load()).sessions == ()


async def test_the_newest_retained_message_of_a_topic_is_kept(store: Store, backend: Backend) -> None:
    sessions = store.mqtt_sessions
    for topic, packet in (("b", b"1"), ("a", b"2"), ("b", b"3"), ("c", b"4")):
        sessions.put_retained(RetainedMessage(topic, packet, None))
    await committed(sessions.delete_retained("c"))
    kept = await (await backend.reopen()).mqtt_sessions.load()
    assert kept.retained == (RetainedMessage("a", b"2", None), RetainedMessage("b", b"3", None))
