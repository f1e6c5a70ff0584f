"""What is decided while reports come in is what a replay over history says, however they came in."""

from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.making import HOUR, MINUTE, NOW, SECOND, rule
from tests.rules.test_laws import bodies_of
from thingstead.rules.decision import Decision
from thingstead.rules.device_rules import DeviceRules, RuleRecord
from thingstead.rules.evaluator import DeviceEvaluator
from thingstead.rules.facts import Facts
from thingstead.rules.rule import CompiledRule

HORIZON = 5 * HOUR  # both have looked at everything up to here
Reading = tuple[int, dict[str, Any]]  # ms since NOW, values

# Attributes that a device hands in together, in the order of time. A rule reads those of one of them.
STREAMS = (("a", "b"), ("c",), ("d",))
numbers = st.integers(0, 9)
gaps = st.sampled_from([MINUTE, MINUTE + 1, 2 * MINUTE, 30 * MINUTE])


def readings(names: tuple[str, ...]) -> st.SearchStrategy[list[Reading]]:
    values = st.dictionaries(st.sampled_from(names), numbers | st.sampled_from([1.5, True, "text"]), min_size=1)

    def timed(steps: list[tuple[int, dict[str, Any]]]) -> list[Reading]:
        at, found = 0, []
        for gap, each in steps:
            at += gap
            found.append((at, each))
        return found

    return st.lists(st.tuples(gaps, values), max_size=10).map(timed)


histories = st.tuples(*(readings(names) for names in STREAMS))
rules = st.tuples(*(st.lists(bodies_of(names, timed=False), max_size=2) for names in STREAMS))
# Which stream hands in next, how many readings, and how long after the message before.
arrivals = st.lists(
    st.tuples(st.integers(0, len(STREAMS) - 1), st.integers(1, 4), st.sampled_from([0, 1, 7, SECOND])), max_size=30
)


def compiled(bodies: tuple[list[dict[str, Any]], ...]) -> list[CompiledRule]:
    return [rule(rule_id=f"r{index}", **body) for index, body in enumerate(chain.from_iterable(bodies))]


class Watch:
    """Rules at work on one device; what they told, by rule."""

    def __init__(self, rules: list[CompiledRule]) -> None:
        self.told: dict[str, list[tuple[int, int]]] = {each.id: [] for each in rules}
        self.evaluator = DeviceEvaluator("d1", DeviceRules(RuleRecord(each) for each in rules), Facts(NOW), {})

    def take(self, decisions: Any) -> None:
        decision: Decision
        for decision in decisions:
            for occurrence in decision.occurrences:
                _, level, at = occurrence.transition
                if at <= NOW + HORIZON:
                    self.told[decision.rule.id].append((level, at - NOW))


def live(rules: list[CompiledRule], history: tuple[list[Reading], ...], arrivals: list[tuple[int, int, int]]) -> Watch:
    """Each stream is handed in later than it was read, in its order, faster than it was read; meanwhile another
    attribute is live, and somebody looks at the rules."""
    watch = Watch(rules)
    queues = [list(each) for each in history]
    now = NOW + 6 * HOUR
    watch.take(watch.evaluator.report(now, {"live": 1}, received=True))
    rest = [(number, len(queue), SECOND) for number, queue in enumerate(queues)]
    for number, (stream, count, wait) in enumerate([*arrivals, *rest]):
        now += wait
        handed_in, queues[stream] = queues[stream][:count], queues[stream][count:]
        for at, values in handed_in:
            watch.take(watch.evaluator.report(NOW + at, dict(values), received_at=now))
        if number % 3 == 0:
            watch.take(watch.evaluator.report(now, {"live": number}, received=True))
        watch.take(watch.evaluator.pass_time(now))
    watch.take(watch.evaluator.pass_time(now + 20 * HOUR))
    return watch


def replayed(rules: list[CompiledRule], history: tuple[list[Reading], ...]) -> Watch:
    watch = Watch(rules)
    for at, values in sorted(chain.from_iterable(history), key=lambda reading: reading[0]):
        watch.take(watch.evaluator.report(NOW + at, dict(values)))
    watch.take(watch.evaluator.pass_time(NOW + 26 * HOUR))
    return watch


@given(rules, histories, arrivals)
@settings(max_examples=200, deadline=None)
def test_live_and_replay_agree_however_the_attributes_interleave(
    bodies: tuple[list[dict[str, Any]], ...],
    history: tuple[list[Reading], ...],
    arrivals: list[tuple[int, int, int]],
) -> None:
    assert live(compiled(bodies), history, arrivals).told == replayed(compiled(bodies), history).told


def test_an_attribute_whose_backlog_comes_after_another_one_was_live_raises_at_its_own_instants() -> None:
    reading = [(minute * MINUTE, {"c": 9 if 10 <= minute < 20 else 2}) for minute in range(50)]
    for delay_ms, raised in ((0, 10), (MINUTE, 11)):
        body = {
            "levels": [{"level": 1, "raise": {"attribute": "c", "op": ">", "value": 5}}],
            "raise_delay_ms": delay_ms,
        }
        told = live(compiled(([body], [], [])), ([], reading, []), []).told["r0"]
        assert told == [(1, raised * MINUTE), (0, 20 * MINUTE)]
