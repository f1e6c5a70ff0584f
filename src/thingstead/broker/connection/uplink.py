"""Takes PUBLISH packets of one client at once, and acknowledges them in order after their commits."""

import struct
from collections.abc import Sequence

from thingstead.broker.connection.acknowledgements import Acknowledgements
from thingstead.broker.connection.connection import Connection
from thingstead.broker.connection.handler import ConnectionHandler
from thingstead.broker.connection.handshake import TOPIC_ALIAS_MAXIMUM, ConnectionLimits, explained
from thingstead.errors import Unavailable
from thingstead.model import device_answers
from thingstead.mqtt.aliases import InboundAliases
from thingstead.mqtt.decoder import Packet
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.shared.commits import Commit, RefusableCommit

V5 = ProtocolVersion.V5
_PUBACK = 0x4002_0000  # a PUBACK that says no more than its packet identifier is four bytes: this number plus it


class Uplink:
    """The upward half of a connection.

    Commit by commit, ``connection`` is told to write what was released, or that a message cannot be kept.
    """

    __slots__ = (
        "_aliases",
        "_connection",
        "_counters",
        "_handler",
        "_inbound",
        "_terms",
        "_version",
        "acknowledgements",
    )

    def __init__(
        self, handler: ConnectionHandler, version: ProtocolVersion, terms: ConnectionLimits, connection: Connection
    ) -> None:
        self._handler = handler
        self._version = version
        self._terms = terms
        self._connection = connection
        self._counters = connection.counters
        self.acknowledgements = Acknowledgements(self._release, connection.not_kept)
        self._inbound = handler.inbound
        self._inbound.resume(terms.our_receive_maximum)
        self._aliases = InboundAliases(TOPIC_ALIAS_MAXIMUM)

    def publish(self, packet: Publish) -> None:
        """Takes a PUBLISH. Raises MqttError; Unavailable where it cannot be kept."""
        self._counters.messages_received += 1
        if packet.properties:
            self._aliases.resolve(packet)
        qos = packet.qos
        if qos and not self._inbound.receive(packet):
            # [MQTT-4.3.3-10] A repetition is answered, not taken again; behind the first, thus after its commit.
            self._answer(None, Pubrec(packet.packet_id).serialize(self._version), 0)
            return
        try:
            pending, reason_code, answer, reason = self._handler.publish(packet)
        except Unavailable:
            self._inbound.refused(packet.packet_id)
            raise
        if type(pending) is RefusableCommit and qos and self._version is V5:
            self._answer_late(pending, packet)
        elif qos == 1:
            if (reason_code or reason) and self._version is V5:
                acknowledgement = explained(Puback, packet.packet_id, reason_code, reason, self._terms)
            else:
                acknowledgement = (_PUBACK | packet.packet_id).to_bytes(4, "big")
            self._answer(pending, acknowledgement + answer if answer else acknowledgement, 1)
        elif qos:
            if reason_code < ReasonCode.UNSPECIFIED_ERROR:
                pending = self._handler.received(packet.packet_id, pending)
            elif self._version is V5:
                self._inbound.refused(packet.packet_id)
            if reason and self._version is V5:
                acknowledgement = explained(Pubrec, packet.packet_id, reason_code, reason, self._terms)
            else:
                acknowledgement = Pubrec(packet.packet_id, reason_code).serialize(self._version)
            self._answer(pending, acknowledgement + answer if answer else acknowledgement, 0)
            self._handler.forward()
        elif pending is not None or answer is not None:
            # Nothing acknowledges QoS 0, but what waits for its commit counts: it must not fill the store alone.
            self._answer(pending, answer or b"", 0)

    def _answer_late(self, pending: RefusableCommit, packet: Publish) -> None:
        """Acknowledges a message of which only its commit says whether it is refused. At QoS 2 the message is received
        all the same, and the reason alone is told."""
        packet_id, kind = packet.packet_id, Puback if packet.qos == 1 else Pubrec

        def acknowledgement() -> bytes:
            refusal = pending.refusal
            if refusal is None:
                return kind(packet_id).serialize(self._version)
            reason_code = device_answers.reason_code(refusal) if kind is Puback else ReasonCode.SUCCESS
            return explained(kind, packet_id, reason_code, refusal.message, self._terms)

        whole = self._handler.received(packet_id, pending) if kind is Pubrec else None
        self.acknowledgements.add_late(whole or pending, acknowledgement, int(kind is Puback))
        if kind is Pubrec:
            self._handler.forward()

    def publish_run(self, packets: Sequence[Packet]) -> int:
        """Takes PUBLISH packets from the front, which are alike, as far as the handler takes them at once; returns how
        many. What is left is for :meth:`publish`. Raises Unavailable, and then took none."""
        run = self._alike(packets)
        if not run:
            return 0
        first = run[0]
        payloads = [first.payload] if len(run) == 1 else [packet.payload for packet in run]
        count, pending, answer = self._handler.publish_run(first.topic, payloads)
        if pending is None:
            return 0
        self._counters.messages_received += count
        if not first.qos:  # nothing acknowledges these, but they count, as in publish
            self.acknowledgements.add_run(pending, (answer or b"") * count, count, 0)
            return count
        self._inbound.room -= count
        self.acknowledgements.add_run(pending, _pubacks(run[:count], answer), count, count)
        return count

    def _alike(self, packets: Sequence[Packet]) -> list[Publish]:
        """The PUBLISH packets at the front that have one topic, one QoS, 0 or 1, and no properties, and are not too
        many."""
        run: list[Publish] = []
        if len(packets) == 1:  # nearly always, where there are many connections
            packet = packets[0]
            if type(packet) is Publish and packet.qos <= 1 and not packet.properties and self._inbound.room > 0:
                run.append(packet)
            return run
        if not packets or type(packets[0]) is not Publish or packets[0].qos > 1:
            return run
        topic, qos = packets[0].topic, packets[0].qos
        for packet in packets[: max(0, self._inbound.room)] if qos else packets:
            if type(packet) is not Publish or packet.qos != qos or packet.topic != topic or packet.properties:
                break
            run.append(packet)
        return run

    def release(self, packet: Pubrel) -> None:
        """Takes a PUBREL."""
        pubcomp = self._inbound.release(packet)
        pending = None if pubcomp.reason_code else self._handler.release(packet.packet_id)
        self._answer(pending, pubcomp.serialize(self._version), 0)

    def answer(self, pending: Commit | None, answer: bytes) -> None:
        """Writes an answer behind those before it, once ``pending`` is done."""
        self._answer(pending, answer, 0)

    def _answer(self, pending: Commit | None, answer: bytes, counted: int) -> None:
        if not self.acknowledgements.add(pending, answer, counted):
            self._connection.write(answer)
            self._inbound.room += counted

    def _release(self, answers: bytes, counted: int) -> None:
        self._connection.write(answers)
        self._inbound.room += counted
        self._connection.acknowledged()

    def end(self) -> None:
        """The connection is over: nothing is acknowledged any more."""
        self.acknowledgements.discard()


def _pubacks(packets: Sequence[Publish], answer: bytes | None) -> bytes:
    """The acknowledgements of these, each with the same answer behind it."""
    if answer:
        return b"".join([(_PUBACK | packet.packet_id).to_bytes(4, "big") + answer for packet in packets])
    if len(packets) == 1:
        return (_PUBACK | packets[0].packet_id).to_bytes(4, "big")
    return struct.pack(f">{len(packets)}I", *[_PUBACK | packet.packet_id for packet in packets])
