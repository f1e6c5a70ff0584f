"""Chapters 4.3 quality of service, 4.4 delivery retry, 4.6 order, 4.9 flow control."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.outbound import TRANSITIONS, Outbound, Sending, State
from thingstead.mqtt.protocol import PacketType
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import MqttError, ReasonCode


def message(number: int, qos: int = 1) -> Publish:
    return Publish("t", str(number).encode(), qos)


def payloads(sendings: list[Sending]) -> list[bytes]:
    return [sending.packet.payload for sending in sendings if isinstance(sending.packet, Publish)]


ANSWERS: dict[PacketType, Callable[[int], Puback | Pubrec | Pubcomp]] = {
    PacketType.PUBACK: Puback,
    PacketType.PUBREC: Pubrec,
    PacketType.PUBCOMP: Pubcomp,
}


def in_state(state: State) -> Outbound:
    outbound = Outbound(10)
    outbound.offer(message(1, qos=1 if state is State.PUBLISHED else 2))
    outbound.sendings()
    if state is State.RELEASED:
        outbound.receive(Pubrec(1))
    return outbound


@pytest.mark.parametrize(("state", "answer"), list(product(State, ANSWERS)))
def test_every_answer_in_every_state_does_what_the_table_says(state: State, answer: PacketType) -> None:
    outbound = in_state(state)
    packet = ANSWERS[answer](1)
    if (state, answer) not in TRANSITIONS:
        with pytest.raises(MqttError) as caught:
            outbound.receive(packet)
        assert caught.value.reason_code is ReasonCode.PROTOCOL_ERROR
    elif TRANSITIONS[state, answer] is None:
        reply, settled = outbound.receive(packet)
        assert reply is None
        assert settled is not None
        assert outbound.in_flight == 0
    else:
        assert outbound.receive(packet) == (Pubrel(1), None)
        assert outbound.in_flight == 1


def test_the_window_is_the_peer_s_receive_maximum_and_the_order_is_kept() -> None:
    """[MQTT-3.3.4-7] [MQTT-4.6.0-5]"""
    outbound = Outbound(10)
    outbound.resume(receive_maximum=2)
    for number in range(4):
        assert outbound.offer(message(number))
    assert payloads(outbound.sendings()) == [b"0", b"1"]
    assert outbound.sendings() == []
    outbound.receive(Puback(2))
    assert payloads(outbound.sendings()) == [b"2"]


def test_a_full_queue_refuses() -> None:
    outbound = Outbound(1)
    assert outbound.offer(message(1))
    assert not outbound.offer(message(2))


def test_what_was_in_flight_is_sent_again_first_with_dup() -> None:
    """[MQTT-4.4.0-1] [MQTT-3.3.1-1]"""
    outbound = Outbound(10)
    outbound.resume()
    for number in range(3):
        outbound.offer(message(number, qos=2))
    outbound.sendings()
    outbound.receive(Pubrec(1))
    outbound.offer(message(3))
    outbound.resume(receive_maximum=1)
    first, second = outbound.sendings()
    assert (first.packet, first.first) == (Pubrel(1), False)
    assert isinstance(second.packet, Publish)
    assert (second.packet.packet_id, second.packet.dup, second.first) == (2, True, False)
    assert outbound.sendings() == []
    outbound.receive(Pubrec(2))
    outbound.receive(Pubcomp(2))
    assert payloads(outbound.sendings()) == [b"2"]


def test_a_pubcomp_for_what_an_earlier_connection_sent_makes_no_room() -> None:
    """[MQTT-3.3.4-7] Room is made by the answer to a PUBLISH of this connection alone."""
    outbound = Outbound(10)
    outbound.resume(receive_maximum=1)
    for number in range(3):
        outbound.offer(message(number, qos=2))
    outbound.sendings()
    outbound.receive(Pubrec(1))
    outbound.resume(receive_maximum=1)
    released, sent = outbound.sendings()
    assert (released.packet, payloads([sent])) == (Pubrel(1), [b"1"])
    outbound.receive(Pubcomp(1))
    assert outbound.sendings() == []
    outbound.receive(Pubrec(2))
    outbound.receive(Pubcomp(2))
    assert payloads(outbound.sendings()) == [b"2"]


def test_a_refused_qos_2_message_is_settled_by_its_pubrec() -> None:
    """4.3.3: a PUBREC with a reason code of 0x80 or more ends the exchange."""
    outbound = in_state(State.UNRECEIVED)
    reply, settled = outbound.receive(Pubrec(1, ReasonCode.QUOTA_EXCEEDED))
    assert reply is None
    assert settled is not None
    assert settled.reason_code is ReasonCode.QUOTA_EXCEEDED
    assert outbound.in_flight == 0


def test_answers_to_what_is_not_in_flight_are_tolerated() -> None:
    outbound = Outbound(10)
    assert outbound.receive(Puback(9)) == (None, None)
    assert outbound.receive(Pubcomp(9)) == (None, None)
    assert outbound.receive(Pubrec(9)) == (Pubrel(9, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND), None)
    assert outbound.receive(Pubrec(9, ReasonCode.UNSPECIFIED_ERROR)) == (None, None)


def test_packet_identifiers_in_use_are_passed_over_when_they_wrap_around() -> None:
    """[MQTT-2.2.1-3]"""
    outbound = Outbound(70_000)
    outbound.resume()
    for number in range(65_535):
        outbound.offer(message(number))
    assert [s.packet.packet_id for s in outbound.sendings()] == list(range(1, 65_536))
    assert outbound.offer(message(-1)) is None
    outbound.receive(Puback(40_000))
    assert outbound.offer(message(-1))
    assert [s.packet.packet_id for s in outbound.sendings()] == [40_000]


def test_an_ended_session_gives_back_what_was_not_answered() -> None:
    outbound = Outbound(10)
    outbound.resume(receive_maximum=1)
    outbound.offer(message(1), "one")
    outbound.offer(message(2), "two")
    outbound.sendings()
    assert [settled.context for settled in outbound.clear()] == ["one", "two"]
    assert (outbound.in_flight, outbound.queued) == (0, 0)


def test_a_qos_2_message_is_new_once_until_it_is_released() -> None:
    """[MQTT-4.3.3-10]"""
    inbound = Inbound()
    publish = Publish("t", b"", 2, 5)
    assert inbound.receive(publish)
    assert not inbound.receive(publish)
    assert inbound.release(Pubrel(5)) == Pubcomp(5)
    assert inbound.release(Pubrel(5)) == Pubcomp(5, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
    assert inbound.receive(publish)
    inbound.refused(5)
    assert inbound.receive(publish)


def test_what_is_refused_for_want_of_room_was_not_received() -> None:
    """When it comes again, on another connection, it is new."""
    inbound = Inbound(receive_maximum=1)
    assert inbound.receive(Publish("t", b"", 2, 1))
    with pytest.raises(MqttError):
        inbound.receive(Publish("t", b"", 2, 2))
    assert inbound.received == {1}
    inbound.release(Pubrel(1))
    inbound.resume(receive_maximum=1)
    assert inbound.receive(Publish("t", b"", 2, 2))


def test_there_is_no_room_while_an_earlier_connection_left_more_than_there_may_be() -> None:
    inbound = Inbound(received=[1, 2, 3])
    inbound.resume(receive_maximum=2)
    rooms = [inbound.room]
    for packet_id in (1, 2, 3):
        inbound.release(Pubrel(packet_id))
        rooms.append(inbound.room)
    assert rooms == [-1, 0, 1, 2]


def test_more_than_the_receive_maximum_is_refused() -> None:
    """[MQTT-3.3.4-9]"""
    inbound = Inbound(receive_maximum=2)
    inbound.receive(Publish("t", b"", 1, 1))
    inbound.receive(Publish("t", b"", 2, 2))
    inbound.receive(Publish("t", b"", 2, 2))
    with pytest.raises(MqttError) as caught:
        inbound.receive(Publish("t", b"", 1, 3))
    assert caught.value.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
    inbound.room += 1  # it is acknowledged
    inbound.receive(Publish("t", b"", 1, 4))
    with pytest.raises(MqttError):
        inbound.receive(Publish("t", b"", 1, 5))


class Link:
    """Two halves of a session, and a link that loses everything under way when it breaks."""

    def __init__(self) -> None:
        self.outbound, self.inbound = Outbound(1_000), Inbound()
        self.up: list[Publish | Pubrel] = []
        self.down: list[Puback | Pubrec | Pubcomp] = []
        self.delivered: list[Publish] = []

    def send(self) -> None:
        self.up += [sending.packet for sending in self.outbound.sendings()]

    def take_up(self) -> None:
        if not self.up:
            return
        packet = self.up.pop(0)
        if isinstance(packet, Pubrel):
            self.down.append(self.inbound.release(packet))
            return
        if self.inbound.receive(packet):
            self.delivered.append(packet)
        self.down.append(Puback(packet.packet_id) if packet.qos == 1 else Pubrec(packet.packet_id))

    def take_down(self) -> None:
        if self.down:
            reply, _ = self.outbound.receive(self.down.pop(0))
            self.up += [reply] if reply else []
            self.send()

    def break_off(self) -> None:
        self.up.clear()
        self.down.clear()
        self.outbound.resume(receive_maximum=3)
        self.send()


@given(st.lists(st.sampled_from(["publish", "up", "down", "break"]), max_size=80), st.data())
def test_over_any_link_qos_1_arrives_at_least_once_and_qos_2_exactly_once(
    steps: list[str], data: st.DataObject
) -> None:
    link = Link()
    offered: list[Publish] = []
    link.break_off()
    for step in steps:
        if step == "publish":
            offered.append(message(len(offered), data.draw(st.integers(1, 2))))
            link.outbound.offer(offered[-1])
            link.send()
        else:
            {"up": link.take_up, "down": link.take_down, "break": link.break_off}[step]()
    link.break_off()
    for _ in range(6 * len(offered)):
        link.take_up()
        link.take_down()
    assert link.outbound.in_flight == 0
    arrived = [publish.payload for publish in link.delivered]
    exactly = [publish.payload for publish in offered if publish.qos == 2]
    assert [payload for payload in arrived if payload in exactly] == exactly
    first_arrivals = list(dict.fromkeys(arrived))
    for qos in (1, 2):
        wanted = [publish.payload for publish in offered if publish.qos == qos]
        assert [payload for payload in first_arrivals if payload in wanted] == wanted
