"""What is known of a device, and when it was last heard of."""

from tests.rules.making import MINUTE, NOW
from thingstead.rules.facts import Facts


def test_silence_and_absence_are_told_in_the_time_of_the_device() -> None:
    facts = Facts(NOW)
    facts.data_at, facts.heard["t"], facts.offline_since = NOW + 10, NOW + 5, NOW + 7
    facts.shift = MINUTE  # the clock of the device is ahead
    assert facts.silent_since(None) == NOW + 10 + MINUTE
    assert facts.silent_since("t") == NOW + 5 + MINUTE
    assert facts.silent_since("never heard") == NOW + MINUTE
    assert facts.absent_since() == NOW + 7 + MINUTE


def test_a_clock_that_is_set_back_is_news_only_where_something_lies_ahead_of_it() -> None:
    facts = Facts(NOW)
    facts.data_at = NOW + 10
    assert facts.set_back(NOW + 10) is False
    assert facts.set_back(NOW + 9) is True
    assert facts.data_at == NOW + 9
    facts.offline_since = NOW + 20
    assert facts.set_back(NOW + 15) is True
    assert (facts.data_at, facts.offline_since) == (NOW + 9, NOW + 15)
