"""Converts sessions to records of the store and back."""

from collections.abc import Callable, Iterable, Mapping
from math import inf

import structlog

from thingstead.broker.sessions.session import DelayedWill, QueueSlot, Session, Subscription
from thingstead.errors import Unavailable
from thingstead.model.mqtt_session import KeptMessage, KeptSession, KeptSubscription, QueuedMessage, SessionRecord
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry, State
from thingstead.mqtt.protocol import ProtocolVersion, RetainHandling
from thingstead.mqtt.publish_packets import Publish
from thingstead.services.shared.commits import Commit, settled

log = structlog.get_logger("thingstead.broker")

V5 = ProtocolVersion.V5
ANY_SIZE = 268_435_460
_NO_LOCAL, _RETAIN_AS_PUBLISHED = 0x04, 0x08


async def require_kept(commit: Commit) -> None:
    """Waits until a session is on disk. Raises Unavailable if it cannot be stored."""
    try:
        await settled(commit)
    except Exception as exc:
        raise Unavailable("session_not_kept") from exc


def record_of(session: Session, instant: Callable[[float], int]) -> SessionRecord:
    """The stored state of a session, without its messages and subscriptions.

    Args:
        instant: converts a reading of the monotonic clock (s) into an instant (ms).
    """
    expires = None if session.expiry is None else session.expiry.due_s
    will_due = None if session.will_due is None else session.will_due.due_s
    return SessionRecord(
        number=session.number,
        client_id=session.client_id,
        device_id=session.device_id,
        expiry_s=session.expiry_s,
        expires_at=None if expires is None else instant(expires),
        connected=session.holder is not None,
        will=b"" if session.will is None else _packet(session.will.publish),
        will_delay_s=0 if session.will is None else session.will.delay_s,
        will_at=None if will_due is None else instant(will_due),
        sent_seq=session.sent_seq,
    )


def _packet(publish: Publish) -> bytes:
    packet_id = 1 if publish.qos else 0  # a placeholder; it is never read
    whole = Publish(publish.topic, publish.payload, publish.qos, packet_id, publish.retain, False, publish.properties)
    return whole.serialize(V5)


def read_publish(packet: bytes) -> Publish | None:
    """Decodes a stored PUBLISH. Returns None if it is damaged."""
    decoder = Decoder(ANY_SIZE, V5)
    packets = decoder.receive_data(packet)
    if len(packets) == 1 and isinstance(packets[0], Publish):
        return packets[0]
    log.error("a stored message cannot be read and is skipped", size_bytes=len(packet))
    return None


def read_message(
    packet: bytes, expires_at: int | None, now_s: float, reading_s: Callable[[int], float]
) -> Message | None:
    """Decodes a stored message, with its remaining time until expiry. Returns None if it is damaged."""
    publish = read_publish(packet)
    if publish is None:
        return None
    message = Message(publish, now_s)
    message.expires_at_s = inf if expires_at is None else reading_s(expires_at)
    return message


def read_messages(
    kept: Iterable[KeptMessage], sessions: Iterable[KeptSession], now_s: float, reading_s: Callable[[int], float]
) -> dict[int, Message]:
    """Decodes the messages that are queued for these sessions, by number."""
    wanted = {queued.message for session in sessions for queued in session.queue}
    found = (
        (each.number, read_message(each.packet, each.expires_at, now_s, reading_s))
        for each in kept
        if each.number in wanted
    )
    return {number: message for number, message in found if message is not None}


def fill(session: Session, kept: KeptSession, messages: Mapping[int, Message]) -> None:
    """Restores the stored state of a session."""
    record = kept.record
    session.number = record.number
    session.expiry_s = record.expiry_s
    session.subscriptions = {each.topic_filter: _subscription(each) for each in kept.subscriptions}
    session.inbound = Inbound(received=kept.received)
    will = read_publish(record.will) if record.will else None
    session.will = None if will is None else DelayedWill(will, record.will_delay_s)
    for queued in kept.queue:
        message = messages.get(queued.message)
        if message is not None:
            # If the server ended with the connection open, any of its messages may have been sent.
            entry = _entry(queued, message, sent=record.connected or queued.seq <= record.sent_seq)
            session.outbound.restore(entry)


def _entry(queued: QueuedMessage, message: Message, *, sent: bool) -> Entry:
    entry = Entry(message, queued.qos, queued.packet_id, QueueSlot(queued.seq, queued.share), message.size_bytes)
    entry.retain = queued.retain
    entry.identifiers = queued.identifiers
    entry.expires_at_s = message.expires_at_s
    entry.sent = sent or queued.released
    if queued.released:
        entry.state = State.RELEASED
    return entry


def _subscription(kept: KeptSubscription) -> Subscription:
    options = kept.options
    return Subscription(
        kept.topic_filter,
        options & 3,
        bool(options & _NO_LOCAL),
        bool(options & _RETAIN_AS_PUBLISHED),
        RetainHandling(options >> 4 & 3),
        kept.identifier,
    )


def kept_subscription(subscription: Subscription) -> KeptSubscription:
    """The stored form of a subscription."""
    options = (
        subscription.qos
        | (_NO_LOCAL if subscription.no_local else 0)
        | (_RETAIN_AS_PUBLISHED if subscription.retain_as_published else 0)
        | subscription.retain_handling << 4
    )
    return KeptSubscription(subscription.topic_filter, options, subscription.identifier)
