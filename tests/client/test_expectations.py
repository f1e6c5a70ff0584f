"""Which answer belongs to which message, whatever is lost in between."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.client.expectations import Expectations, Expected
from thingstead.errors import InvalidInput, Unavailable
from thingstead.mqtt.reasons import ReasonCode

TOPIC = "attributes/response"
ACCEPTED = b'{"result":1}'


def refused(expected: Expected) -> bool:
    assert expected.outcome.done()
    return expected.outcome.exception() is not None


async def test_an_answer_waits_for_its_acknowledgement_and_the_other_way_round() -> None:
    expectations = Expectations()
    first, second = expectations.expect(TOPIC), expectations.expect(TOPIC)
    assert expectations.answered(TOPIC, ACCEPTED)
    assert not first.outcome.done()
    first.acknowledge(ReasonCode.SUCCESS)
    assert first.outcome.result().result == 1
    second.acknowledge(ReasonCode.SUCCESS)
    assert not second.outcome.done()
    assert expectations.answered(TOPIC, ACCEPTED)
    assert second.outcome.result().result == 1


async def test_a_refusal_names_the_reason() -> None:
    expectations = Expectations()
    expected = expectations.expect(TOPIC)
    expected.acknowledge(ReasonCode.PAYLOAD_FORMAT_INVALID)
    expectations.answered(TOPIC, b'{"result":0,"errcode":400,"message":"level: too high"}')
    with pytest.raises(InvalidInput, match="level: too high"):
        expected.outcome.result()


async def test_an_answer_that_nobody_expects_is_for_others() -> None:
    assert not Expectations().answered(TOPIC, ACCEPTED)


async def test_an_answer_that_is_no_json_counts_as_one() -> None:
    expectations = Expectations()
    expected = expectations.expect(TOPIC)
    expected.acknowledge(ReasonCode.SUCCESS)
    assert expectations.answered(TOPIC, b"\xff")
    assert not refused(expected)


async def test_what_was_asked_for_does_not_come_from_an_acknowledgement() -> None:
    expectations = Expectations()
    expected = expectations.expect("attributes/get/response/1", needed=True)
    expected.acknowledge(ReasonCode.SUCCESS)
    expectations.lost()
    with pytest.raises(Unavailable):
        expected.outcome.result()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
async def test_every_report_learns_its_own_outcome(rounds: list[tuple[bool, int, int]]) -> None:
    """A server that refuses every other report, and connections that end after some of its words."""
    expectations = Expectations()
    unsettled: list[tuple[int, Expected]] = []
    all_reports: list[tuple[int, Expected]] = []
    for send_more, acknowledged, answered in [*rounds, (False, 10**6, 10**6)]:
        if send_more:
            unsettled.append((len(all_reports), expectations.expect(TOPIC)))
            all_reports.append(unsettled[-1])
        # The server takes what is not acknowledged, in order; both its words are in order, and may break off.
        batch, codes = list(unsettled), [ReasonCode.SUCCESS, ReasonCode.PAYLOAD_FORMAT_INVALID]
        for number, expected in batch[:acknowledged]:
            expected.acknowledge(codes[number % 2])
            unsettled.remove((number, expected))
        for number, _ in batch[: min(answered, acknowledged)]:
            body = {"result": 1, "message": str(number)} if number % 2 == 0 else {"result": 0, "errcode": 400}
            expectations.answered(TOPIC, msgspec.json.encode(body))
        expectations.lost()
    for number, expected in all_reports:
        assert refused(expected) is (number % 2 == 1)
        if not refused(expected):
            assert expected.outcome.result().message in ("", str(number))
