"""MQTT sessions and retained messages in SQLite."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.errors import Unavailable
from thingstead.model.mqtt_session import (
    KeptMessage,
    KeptSession,
    KeptSessions,
    KeptSubscription,
    QueuedMessage,
    RetainedMessage,
    SessionRecord,
)
from thingstead.storage.commit import Commit, settled
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.history.history import SqlHistory

# Rows of a session are inserted only if the session exists: it may have been deleted with its device.
_THERE = "WHERE EXISTS (SELECT 1 FROM mqtt_sessions WHERE number = ?1)"
_PUT_SESSION = """
INSERT INTO mqtt_sessions
    (number, client_id, device_number, expiry_s, expires_at, connected, will, will_delay_s, will_at, sent_seq)
SELECT ?1, ?2, (SELECT number FROM devices WHERE id = ?3), ?4, ?5, ?6, ?7, ?8, ?9, ?10
WHERE ?3 = '' OR EXISTS (SELECT 1 FROM devices WHERE id = ?3)
ON CONFLICT (number) DO UPDATE SET
    expiry_s = excluded.expiry_s, expires_at = excluded.expires_at, connected = excluded.connected,
    will = excluded.will, will_delay_s = excluded.will_delay_s, will_at = excluded.will_at, sent_seq = excluded.sent_seq
"""
# Topics have no unique index in every database: they may be too long for one.
_CHANGE_SUBSCRIPTION = (
    "UPDATE mqtt_subscriptions SET options = ?3, identifier = ?4 WHERE session = ?1 AND topic_filter = ?2"
)
_ADD_SUBSCRIPTION = f"""
INSERT INTO mqtt_subscriptions (session, topic_filter, options, identifier) SELECT ?1, ?2, ?3, ?4 {_THERE}
"""
_CHANGE_RETAINED = "UPDATE mqtt_retained SET packet = ?2, expires_at = ?3 WHERE topic = ?1"
_ADD_RETAINED = "INSERT INTO mqtt_retained (topic, packet, expires_at) VALUES (?1, ?2, ?3)"
_PUT_MESSAGE = "INSERT INTO mqtt_messages (number, packet, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_PUT_QUEUED = f"""
INSERT INTO mqtt_queue (session, seq, message, packet_id, qos, retain, identifiers, share, released)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 {_THERE}
"""
_PUT_RECEIVED = f"INSERT INTO mqtt_received (session, packet_id) SELECT ?1, ?2 {_THERE} ON CONFLICT DO NOTHING"
_SESSIONS = """
SELECT s.number, client_id, coalesce(d.id, ''), expiry_s, expires_at, connected, will, will_delay_s, will_at, sent_seq
FROM mqtt_sessions AS s LEFT JOIN devices AS d ON d.number = s.device_number ORDER BY s.number
"""
_QUEUE = """
SELECT session, seq, message, packet_id, qos, retain, identifiers, share, released FROM mqtt_queue
ORDER BY session, seq
"""
_ORPHANS = "DELETE FROM mqtt_messages WHERE number NOT IN (SELECT message FROM mqtt_queue)"
_decode_identifiers = msgspec.json.Decoder(tuple[int, ...]).decode
_encode = msgspec.json.encode


class SqlMqttSessions:
    """See :class:`~thingstead.storage.base_sessions.MqttSessionStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def load(self) -> KeptSessions:
        # After the open commit, so that earlier changes are read.
        await settled(self._run(_ORPHANS))
        return await self._access.read(_load)

    def _run(self, sql: str, *parameters: Any, behind: bool = False, otherwise: str = "") -> Commit:
        """Adds a statement to the open commit, and another one to be run where that changes no row."""

        def run(connection: Connection) -> None:
            changed = connection.execute(sql, parameters).rowcount
            if otherwise and not changed:
                connection.execute(otherwise, parameters)

        size_bytes = sum(len(value) for value in parameters if isinstance(value, str | bytes))
        return self._history.add_write(run, size_bytes, behind=behind)

    def put_session(self, record: SessionRecord, *, behind: bool = False) -> Commit:
        return self._run(
            _PUT_SESSION,
            record.number,
            record.client_id,
            record.device_id,
            record.expiry_s,
            record.expires_at,
            record.connected,
            record.will,
            record.will_delay_s,
            record.will_at,
            record.sent_seq,
            behind=behind,
        )

    def delete_session(self, number: int) -> Commit:
        return self._run("DELETE FROM mqtt_sessions WHERE number = ?", number, behind=True)

    def put_subscription(self, session: int, subscription: KeptSubscription) -> Commit:
        values = (session, subscription.topic_filter, subscription.options, subscription.identifier)
        return self._run(_CHANGE_SUBSCRIPTION, *values, otherwise=_ADD_SUBSCRIPTION)

    def delete_subscription(self, session: int, topic_filter: str) -> Commit:
        return self._run("DELETE FROM mqtt_subscriptions WHERE session = ? AND topic_filter = ?", session, topic_filter)

    def enqueue(self, message: KeptMessage, queued: Sequence[QueuedMessage]) -> Commit:
        self.require_room()
        rows = [
            (q.session, q.seq, q.message, q.packet_id, q.qos, q.retain, _identifiers(q), q.share, q.released)
            for q in queued
        ]

        def insert(connection: Connection) -> None:
            connection.execute(_PUT_MESSAGE, (message.number, message.packet, message.expires_at))
            connection.executemany(_PUT_QUEUED, rows)

        return self._history.add_write(insert, len(message.packet))

    def release_queued(self, session: int, seq: int) -> Commit:
        return self._run("UPDATE mqtt_queue SET released = 1 WHERE session = ? AND seq = ?", session, seq)

    def delete_queued(self, session: int, seq: int) -> Commit:
        return self._run("DELETE FROM mqtt_queue WHERE session = ? AND seq = ?", session, seq, behind=True)

    def put_received(self, session: int, packet_id: int) -> Commit:
        return self._run(_PUT_RECEIVED, session, packet_id)

    def delete_received(self, session: int, packet_id: int) -> Commit:
        sql = "DELETE FROM mqtt_received WHERE session = ? AND packet_id = ?"
        return self._run(sql, session, packet_id, behind=True)

    def put_retained(self, retained: RetainedMessage) -> Commit:
        self.require_room()
        values = (retained.topic, retained.packet, retained.expires_at)
        return self._run(_CHANGE_RETAINED, *values, otherwise=_ADD_RETAINED)

    def delete_retained(self, topic: str) -> Commit:
        return self._run("DELETE FROM mqtt_retained WHERE topic = ?", topic)

    def require_room(self) -> None:
        # Messages are refused when reports are; other changes and removals need almost no disk space.
        if self._history.refusal is not None:
            raise Unavailable(self._history.refusal)


def _identifiers(queued: QueuedMessage) -> str:
    return _encode(queued.identifiers).decode() if queued.identifiers else "[]"


def _load(connection: Connection) -> KeptSessions:
    subscriptions: dict[int, list[KeptSubscription]] = defaultdict(list)
    for session, *rest in connection.execute(
        "SELECT session, topic_filter, options, identifier FROM mqtt_subscriptions ORDER BY session, topic_filter"
    ):
        subscriptions[session].append(KeptSubscription(*rest))
    queues: dict[int, list[QueuedMessage]] = defaultdict(list)
    for row in connection.execute(_QUEUE):
        queues[row[0]].append(_queued(row))
    received: dict[int, list[int]] = defaultdict(list)
    for session, packet_id in connection.execute("SELECT session, packet_id FROM mqtt_received ORDER BY 1, 2"):
        received[session].append(packet_id)
    sessions = [
        KeptSession(_record(row), tuple(subscriptions[row[0]]), tuple(queues[row[0]]), tuple(received[row[0]]))
        for row in connection.execute(_SESSIONS)
    ]
    messages = connection.execute("SELECT number, packet, expires_at FROM mqtt_messages ORDER BY number")
    retained = connection.execute("SELECT topic, packet, expires_at FROM mqtt_retained ORDER BY topic")
    return KeptSessions(
        tuple(sessions),
        tuple(KeptMessage(*row) for row in messages),
        tuple(RetainedMessage(*row) for row in retained),
    )


def _record(row: Sequence[Any]) -> SessionRecord:
    number, client_id, device_id, expiry_s, expires_at, connected, will, will_delay_s, will_at, sent_seq = row
    return SessionRecord(
        number=number,
        client_id=client_id,
        device_id=device_id,
        expiry_s=expiry_s,
        expires_at=expires_at,
        connected=bool(connected),
        will=will,
        will_delay_s=will_delay_s,
        will_at=will_at,
        sent_seq=sent_seq,
    )


def _queued(row: Sequence[Any]) -> QueuedMessage:
    session, seq, message, packet_id, qos, retain, identifiers, share, released = row
    return QueuedMessage(
        session=session,
        seq=seq,
        message=message,
        packet_id=packet_id,
        qos=qos,
        retain=bool(retain),
        identifiers=_decode_identifiers(identifiers),
        share=share,
        released=bool(released),
    )
