"""Checks a run against what the product promises; the numbers are those of the study of faults.

Each check returns what is wrong, as sentences; none: nothing.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate

from tests.faults.records import CommandSeen, Gap, Reported, Run

ALARM_ABOVE = 5  # of value % ALARM_PERIOD: what the rule of the run watches
ALARM_PERIOD = 10
MEMORY_GROWTH_BYTES = 192 << 20  # while the database is away

_RANK = {"queued": 0, "sent": 1, "delivered": 2, "replied": 3, "failed": 3, "expired": 3}


def check(run: Run) -> list[str]:
    """Everything that is wrong with a run."""
    return [f"{name}: {problem}" for name, rule in RULES.items() for problem in rule(run)]


def reports_are_stored(run: Run) -> Iterator[str]:
    """1. What was acknowledged is stored; each once; nothing is stored that nobody tried."""
    tried: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    acknowledged: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for report in run.reports:
        tried[report.device].add((report.ts, report.value))
        if report.outcome == "ok":
            acknowledged[report.device].add((report.ts, report.value))
    for device in sorted({*tried, *run.stored}):
        stored = run.stored.get(device, [])
        if lost := sorted(acknowledged[device] - set(stored)):
            yield f"{device}: {len(lost)} acknowledged reports are not stored, first {lost[0]}"
        if doubled := sorted(point for point, times in Counter(stored).items() if times > 1):
            yield f"{device}: {len(doubled)} reports are stored more than once, first {doubled[0]}"
        if invented := sorted(set(stored) - tried[device]):
            yield f"{device}: {len(invented)} stored values were never reported, first {invented[0]}"


def reads_see_what_was_acknowledged(run: Run) -> Iterator[str]:
    """2. A read that begins after an acknowledgement sees that value or a newer one; none from the future."""
    for device, (begins, ends) in _registers(run.reports).items():
        for read in run.reads:
            if read.device != device:
                continue
            at_least = _value_at(ends, read.begun_s)
            at_most = _value_at(begins, read.ended_s)
            if not at_least <= read.value <= at_most:
                yield f"{device}: {read} saw {read.value}, should see {at_least} to {at_most}"


def _registers(reports: list[Reported]) -> dict[str, tuple[list[tuple[float, int]], list[tuple[float, int]]]]:
    """Of each device: (begun_s, value) of all reports, and (ended_s, value) of the acknowledged ones, both by time with
    the greatest value so far."""
    begins: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    ends: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for report in reports:
        begins[report.device].append((report.begun_s, report.value))
        if report.outcome == "ok":
            ends[report.device].append((report.ended_s, report.value))
    return {device: (_rising(begins[device]), _rising(ends[device])) for device in begins}


def _rising(points: list[tuple[float, int]]) -> list[tuple[float, int]]:
    points.sort()
    return list(zip((at for at, _ in points), accumulate((value for _, value in points), max), strict=True))


def _value_at(rising: list[tuple[float, int]], at_s: float) -> int:
    """The greatest value before an instant."""
    index = bisect_left(rising, (at_s, 0))
    return rising[index - 1][1] if index else 0


def current_never_goes_back(run: Run) -> Iterator[str]:
    """3. Reads that follow each other, of whatever readers, never see an older value."""
    by_device: defaultdict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for read in run.reads:
        by_device[read.device].append((read.ended_s, read.begun_s, read.value))
    for device, reads in by_device.items():
        seen = _rising([(ended_s, value) for ended_s, _, value in reads])
        for ended_s, begun_s, value in reads:
            before = _value_at(seen, begun_s)
            if value < before:
                yield f"{device}: a read at {begun_s:.3f}..{ended_s:.3f} saw {value} after {before} had been seen"


def commands_go_forward(run: Run) -> Iterator[str]:
    """5. States of a command only go forward; an acknowledged reply is in its row."""
    by_command: defaultdict[str, list[CommandSeen]] = defaultdict(list)
    for seen in run.commands:
        by_command[seen.command].append(seen)
    for command, states in by_command.items():
        for later in states:
            for earlier in states:
                if earlier.ended_s < later.begun_s and _RANK[later.state] < _RANK[earlier.state]:
                    yield f"{command}: {later.state} at {later.begun_s:.3f} after {earlier.state}"
        finals = {seen.state for seen in states if _RANK[seen.state] == 3}
        if len(finals) > 1:
            yield f"{command}: has ended as {' and as '.join(sorted(finals))}"


def presence_is_right(run: Run) -> Iterator[str]:
    """6. News of a device alternate; after quiet it is online exactly if it has a connection."""
    last: dict[str, bool] = {}
    for news in run.news:
        if isinstance(news, Gap):
            last.clear()
            continue
        if last.get(news.device) == news.online:
            yield f"{news.device}: {'online' if news.online else 'offline'} twice in a row"
        last[news.device] = news.online
    for device, connected in run.connected.items():
        if run.online.get(device) != connected:
            yield f"{device}: {'connected' if connected else 'not connected'}, shown as the opposite"


def alarms_follow_from_reports(run: Run) -> Iterator[str]:
    """7. The stored reports, evaluated again, give exactly the alarms: none is missing, none doubled."""
    for device, stored in run.stored.items():
        expected: list[tuple[int, int | None]] = []
        for ts, value in stored:
            above = value % ALARM_PERIOD > ALARM_ABOVE
            is_open = bool(expected) and expected[-1][1] is None
            if above and not is_open:
                expected.append((ts, None))
            elif not above and is_open:
                expected[-1] = (expected[-1][0], ts)
        found = sorted((alarm.raised_ts, alarm.cleared_ts or 0) for alarm in run.alarms if alarm.device == device)
        wanted = sorted((raised, cleared or 0) for raised, cleared in expected)
        if found != wanted:
            missing, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
            first = min(missing or more)
            yield f"{device}: {missing.total()} alarms missing or wrong, {more.total()} too many, first at {first}"


def memory_is_bounded(run: Run) -> Iterator[str]:
    """9. While the database is away, no node grows without bound."""
    least: dict[str, int] = {}
    for sample in sorted(run.memory, key=lambda each: each.at_s):
        if not sample.database_away:
            least[sample.node] = sample.size_bytes
        elif sample.size_bytes > least.get(sample.node, sample.size_bytes) + MEMORY_GROWTH_BYTES:
            yield f"{sample.node}: grew to {sample.size_bytes:,} bytes while the database was away"


RULES: dict[str, Callable[[Run], Iterator[str]]] = {
    "reports (1)": reports_are_stored,
    "reads (2)": reads_see_what_was_acknowledged,
    "order (3)": current_never_goes_back,
    "commands (5)": commands_go_forward,
    "presence (6)": presence_is_right,
    "alarms (7)": alarms_follow_from_reports,
    "memory (9)": memory_is_bounded,
}
