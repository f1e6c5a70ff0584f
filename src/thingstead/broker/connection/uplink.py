"""Takes PUBLISH packets of one client at once, and acknowledges them in order after their commits."""

import struct
from collections.abc import Sequence

from thingstead.broker.connection.acknowledgements import Acknowledgements
from thingstead.broker.connection.connection import PeerConnection
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
_PUBACK = 0x4002_0000  # a PUBACK without a reason code has four bytes: this number plus the packet identifier


class Uplink:
    """Uplink half of a connection.

    After each commit it calls ``connection`` to write the released acknowledgements, or to end because a message cannot
    be stored.
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
        self, handler: ConnectionHandler, version: ProtocolVersion, terms: ConnectionLimits, connection: PeerConnection
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
        """Handles a PUBLISH. Raises MqttError; Unavailable if the message cannot be stored."""
        self._counters.messages_received += 1
        if packet.properties:
            self._aliases.resolve(packet)
        qos = packet.qos
        if qos and not self._inbound.receive(packet):
            # [MQTT-4.3.3-10] A repeated PUBLISH is acknowledged but not handled again; PUBREC waits for the commit.
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
            # QoS 0 is not acknowledged, but counts until its commit has ended, so that it cannot fill the store.
            self._answer(pending, answer or b"", 0)

    def _answer_late(self, pending: RefusableCommit, packet: Publish) -> None:
        """Acknowledges a message that only its commit can refuse. At QoS 2 the message counts as received even then;
        only the reason is sent."""
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
        """Handles consecutive PUBLISH packets that are alike, from the front.

        Returns:
            How many were handled; the caller passes the rest to :meth:`publish`.

        Raises:
            Unavailable: they cannot be stored now; none was handled.
        """
        run = self._alike(packets)
        if not run:
            return 0
        first = run[0]
        payloads = [first.payload] if len(run) == 1 else [packet.payload for packet in run]
        count, pending, answer = self._handler.publish_run(first.topic, payloads)
        if pending is None:
            return 0
        self._counters.messages_received += count
        if not first.qos:  # not acknowledged, but counted, as in publish
            self.acknowledgements.add_run(pending, (answer or b"") * count, count, 0)
            return count
        self._inbound.room -= count
        self.acknowledgements.add_run(pending, _pubacks(run[:count], answer), count, count)
        return count

    def _alike(self, packets: Sequence[Packet]) -> list[Publish]:
        """PUBLISH packets at the front with the same topic and QoS (0 or 1) and without properties, up to a limit."""
        run: list[Publish] = []
        if len(packets) == 1:  # the usual case if there are many connections
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
        """Handles a PUBREL."""
        pubcomp = self._inbound.release(packet)
        pending = None if pubcomp.reason_code else self._handler.release(packet.packet_id)
        self._answer(pending, pubcomp.serialize(self._version), 0)

    def answer(self, pending: Commit | None, answer: bytes) -> None:
        """Sends an answer behind the earlier ones, once ``pending`` has ended."""
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
        """Drops all pending acknowledgements; called when the connection has ended."""
        self.acknowledgements.discard()


def _pubacks(packets: Sequence[Publish], answer: bytes | None) -> bytes:
    """Encodes the PUBACKs of these packets, each followed by the same answer."""
    if answer:
        return b"".join([(_PUBACK | packet.packet_id).to_bytes(4, "big") + answer for packet in packets])
    if len(packets) == 1:
        return (_PUBACK | packets[0].packet_id).to_bytes(4, "big")
    return struct.pack(f">{len(packets)}I", *[_PUBACK | packet.packet_id for packet in packets])
