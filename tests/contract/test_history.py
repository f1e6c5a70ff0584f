"""Points appended in one batch are stored as if they were appended one by one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.contract.nouns import device, ended
from tests.contract.test_values import FEW
from thingstead.errors import InvalidInput
from thingstead.model.report import Report
from thingstead.storage.base import Store

MANY = {f"many{number}": 1 for number in range(1_990)}  # nearly as many attributes as a device may have
VALUES: st.SearchStrategy[Any] = st.integers(0, 3) | st.sampled_from([2**64, "text", None, [1.5]])
REPORTS = st.tuples(st.integers(1, 5), st.dictionaries(st.sampled_from("abcdefghijklmn"), VALUES, min_size=1))


@FEW
@given(first=st.booleans(), given_reports=st.lists(REPORTS, min_size=1))
async def test_a_run_keeps_what_its_reports_would_one_by_one(
    store: Store, first: bool, given_reports: list[tuple[int, dict[str, Any]]]
) -> None:
    alone, together = await store.devices.create(device()), await store.devices.create(device())
    for number in (alone.number, together.number):
        if first:
            await ended(store.history.append(Report(number, 1, 1, dict(MANY))))
    for ts, attributes in given_reports:
        try:
            await ended(store.history.append(Report(alone.number, ts, 1, dict(attributes))))
        except InvalidInput:
            pass
    left = [Report(together.number, ts, 1, dict(attributes)) for ts, attributes in given_reports]
    while left:
        count, commit = store.history.append_run(left)
        assert (count == 0) is (commit is None)
        if commit is not None:
            await ended(commit)
        left = left[max(1, count) :]  # skips the one that cannot be stored
    assert await store.history.current(alone.number) == await store.history.current(together.number)
    for identifier in "abc":
        points = [
            await store.history.series(number, identifier, 0, 10, offset=0, limit=100)
            for number in (alone.number, together.number)
        ]
        assert points[0] == points[1]
