"""What the audit log says of two states of a thing."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.audit.differences import CHANGES_COUNT, EDIT_BYTES, MEMBER_CHARACTERS, VALUE_BYTES, differences
from thingstead.model.audit.log import HIDDEN, AuditChange

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@given(OBJECT)
def test_a_thing_does_not_differ_from_itself(value: dict[str, Any]) -> None:
    assert differences(value, value) == ()


@given(OBJECT, OBJECT)
def test_every_member_that_differs_is_named(before: dict[str, Any], after: dict[str, Any]) -> None:
    named = {change.member.split(".")[0] for change in differences(before, after)}
    empty: tuple[Any, ...] = (None, "", [], {})
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        same = old == new or (old in empty and new in empty and old is not False and new is not False)
        assert (name in named) is not same


def test_secrets_are_hidden_and_their_change_is_told() -> None:
    assert differences({"key": "a"}, {"key": "b"}, secret=("key",)) == (
        AuditChange(member="key", before=HIDDEN, after=HIDDEN),
    )
    assert differences({}, {"key": "b"}, secret=("key",)) == (AuditChange(member="key", after=HIDDEN),)


def test_items_of_a_list_are_told_apart_by_their_names() -> None:
    before = {"rows": [{"id": "a", "x": 1}, {"id": "b", "x": 2}]}
    after = {"rows": [{"id": "b", "x": 3}, {"id": "c", "x": 4}]}
    assert differences(before, after) == (
        AuditChange(member="rows.a", before={"id": "a", "x": 1}),
        AuditChange(member="rows.b.x", before=2, after=3),
        AuditChange(member="rows.c", after={"id": "c", "x": 4}),
    )


@pytest.mark.parametrize("value", ["x" * 5000, ["x" * 100] * 50, "度" * 2000])
def test_a_long_value_is_cut_off(value: Any) -> None:
    [change] = differences({}, {"a": value})
    assert change.after.endswith(HIDDEN)
    assert len(change.after.encode()) <= VALUE_BYTES + len(HIDDEN.encode())


def test_of_many_members_the_last_entry_counts_the_others() -> None:
    changes = differences({}, {f"m{number}": number for number in range(CHANGES_COUNT + 7)})
    assert len(changes) == CHANGES_COUNT + 1
    assert changes[-1] == AuditChange(member=HIDDEN, after=7)


@pytest.mark.parametrize("key_characters", [10, 200_000])
def test_a_row_is_bounded_however_long_names_and_values_are(key_characters: int) -> None:
    inner = {f"m{number}": "v" * VALUE_BYTES for number in range(CHANGES_COUNT)}
    changes = differences({"params": {"k" * key_characters: {}}}, {"params": {"k" * key_characters: inner}})
    assert len(msgspec.json.encode(changes)) < EDIT_BYTES + 2 * VALUE_BYTES + 4 * MEMBER_CHARACTERS
    assert changes[-1] == AuditChange(member=HIDDEN, after=CHANGES_COUNT + 1 - len(changes))
    assert all(len(change.member) <= MEMBER_CHARACTERS + len(HIDDEN) for change in changes)
