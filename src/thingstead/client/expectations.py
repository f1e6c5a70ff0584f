"""Which answer of the server belongs to which message of the device.

The server acknowledges messages (PUBACK) and answers them (``attributes/response`` and the like), both in the order
of the messages. Answers to reports carry nothing that ties them to one, so their order does: a message that is sent
again after a reconnect is answered again, in its place. An answer whose connection ended between the acknowledgement
and the answer never comes; the message is then known to be kept, or refused, by its acknowledgement alone."""

import asyncio
from collections import deque
from typing import Any

import msgspec

from thingstead.client.answers import error, server_reason
from thingstead.errors import Forbidden, InvalidInput, ThingsteadError, Unavailable
from thingstead.mqtt.reasons import ReasonCode


class Answer(msgspec.Struct, frozen=True):
    """Answer of the server to a message."""

    result: int | bool = 1
    errcode: int = 0
    message: str = ""
    code: str = ""
    refused: list[str] = []
    attributes: dict[str, Any] = {}
    device: str = ""


ACCEPTED = Answer()
_decode = msgspec.json.Decoder(Answer).decode


class Expected:
    """A sent message that waits for its acknowledgement and, if it has an answer topic, its answer."""

    def __init__(self, answered: bool, needed: bool) -> None:
        self._needed = needed  # the acknowledgement alone does not suffice
        self.outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.acknowledged: ReasonCode | None = None
        self._reason = ""  # reason string of the acknowledgement
        self._answer: Answer | None = None if answered else ACCEPTED

    def acknowledge(self, reason_code: ReasonCode, reason: str = "") -> None:
        """Records the PUBACK; completes the message if no answer is outstanding."""
        self.acknowledged, self._reason = reason_code, reason
        if self._answer is not None or reason_code == ReasonCode.UNSPECIFIED_ERROR:
            self.conclude()

    def answer(self, answer: Answer) -> None:
        """Records the answer; completes the message if it is acknowledged."""
        self._answer = answer
        if self.acknowledged is not None:
            self.conclude()

    def conclude(self) -> None:
        """Completes the message with what was received so far."""
        if self.outcome.done():
            return
        answer, acknowledged = self._answer, self.acknowledged
        if answer is None and self._needed:
            closed = Unavailable("no_answer", detail="the connection was closed before the answer arrived")
            self.outcome.set_exception(closed)
        elif answer is not None and not answer.result:
            self.outcome.set_exception(error(answer.errcode, server_reason(answer.message, answer.code)))
        elif acknowledged is not None and acknowledged >= ReasonCode.UNSPECIFIED_ERROR:
            self.outcome.set_exception(_refusal(acknowledged, self._reason))
        else:
            self.outcome.set_result(answer or ACCEPTED)


class Expectations:
    """Messages of one session that wait for an answer, by answer topic."""

    def __init__(self) -> None:
        self._in_order: dict[str, deque[Expected]] = {}

    def expect(self, answer_topic: str | None, *, needed: bool = False) -> Expected:
        """Registers a message. Must be called in the order of sending.

        Args:
            answer_topic: None: the message has no answer.
            needed: the answer contains the requested data; it is dropped if its caller stops waiting.
        """
        expected = Expected(answer_topic is not None, needed)
        if answer_topic is not None:
            self._in_order.setdefault(answer_topic, deque()).append(expected)
            if needed:
                expected.outcome.add_done_callback(lambda _: self.withdraw(answer_topic, expected))
        return expected

    def answered(self, topic: str, payload: bytes) -> bool:
        """Handles an answer. Returns whether a message waits for one on this topic."""
        waiting = self._in_order.get(topic)
        if not waiting:
            return False
        expected = waiting.popleft()
        if not waiting:
            del self._in_order[topic]
        try:
            expected.answer(_decode(payload))
        except msgspec.MsgspecError:
            expected.answer(ACCEPTED)
        return True

    def withdraw(self, answer_topic: str | None, expected: Expected) -> None:
        """Unregisters a message that was not sent, or whose caller stopped waiting and whose answer cannot be taken for
        another one."""
        waiting = self._in_order.get(answer_topic or "")
        if waiting and expected in waiting:
            waiting.remove(expected)
            if not waiting:
                del self._in_order[answer_topic or ""]

    def lost(self) -> None:
        """Completes acknowledged messages after the connection has ended: they are not sent again, so no answer will
        arrive."""
        for topic, waiting in list(self._in_order.items()):
            left = deque(expected for expected in waiting if expected.acknowledged is None)
            for expected in waiting:
                if expected.acknowledged is not None:
                    expected.conclude()
            if left:
                self._in_order[topic] = left
            else:
                del self._in_order[topic]


def _refusal(reason_code: ReasonCode, reason: str) -> ThingsteadError:
    if reason_code is ReasonCode.PAYLOAD_FORMAT_INVALID:
        return InvalidInput(server_reason(reason or "the server refused the message"))
    if reason_code is ReasonCode.NOT_AUTHORIZED:
        return Forbidden(server_reason(reason or "the server does not allow the message"))
    return Unavailable(server_reason(f"the message was not stored: {reason or reason_code.name}"))
