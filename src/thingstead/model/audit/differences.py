"""What differs between two values, member by member, within bounds."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from thingstead.model.audit.log import HIDDEN, AuditChange

CHANGES_COUNT = 50  # of one edit
VALUE_BYTES = 1024  # of a value, as JSON
MEMBER_CHARACTERS = 256  # of the path of a member
EDIT_BYTES = 16_384  # of the changes of one edit, as JSON, beyond the first
DEPTH = 6  # of members within members that are told apart
NAMED_BY = ("identifier", "id")  # members by which the items of a list are told apart

_encode = msgspec.json.Encoder().encode


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], *, secret: Collection[str] = ()
) -> tuple[AuditChange, ...]:
    """The members of two objects that differ, at most :data:`CHANGES_COUNT` and about :data:`EDIT_BYTES`; a last entry
    tells how many more there are. Where the members of one are missing it was created or removed: what is empty is left
    out then.

    Args:
        secret: members whose values are hidden, also in objects within others.
    """
    found: list[AuditChange] = []
    more = size_bytes = 0
    for change in _members(msgspec.to_builtins(before), msgspec.to_builtins(after), secret):
        if len(found) < CHANGES_COUNT and size_bytes < EDIT_BYTES:
            found.append(change)
            size_bytes += len(_encode(change))
        else:
            more += 1
    if more:
        found.append(AuditChange(member=HIDDEN, after=more))
    return tuple(found)


def _members(before: dict[str, Any], after: dict[str, Any], secret: Collection[str]) -> Iterator[AuditChange]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new or (_is_empty(old) and _is_empty(new)):
            continue
        if name in secret:
            yield AuditChange(member=_shortened(name), before=_hidden(old), after=_hidden(new))
        else:
            yield from _of(_shortened(name), old, new, 1, secret)


def _of(member: str, before: Any, after: Any, depth: int, secret: Collection[str]) -> Iterator[AuditChange]:
    old, new = _parts(before), _parts(after)
    if old is None or new is None or depth == DEPTH:
        was, now = _without(before, secret), _without(after, secret)
        yield AuditChange(member=member, before=_bounded(was), after=_bounded(now))
        return
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not differing:  # but for the order
        yield AuditChange(member=member, before=_bounded(list(old)), after=_bounded(list(new)))
    for name in differing:
        inner, was, now = _shortened(f"{member}.{name}"), old.get(name), new.get(name)
        if name in secret:
            yield AuditChange(member=inner, before=_hidden(was), after=_hidden(now))
        else:
            yield from _of(inner, was, now, depth + 1, secret)


def _without(value: Any, secret: Collection[str]) -> Any:
    """A value in which secret members are hidden."""
    if not secret:
        return value
    if isinstance(value, dict):
        return {name: _hidden(each) if name in secret else _without(each, secret) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without(each, secret) for each in value]
    return value


def _parts(value: Any) -> dict[str, Any] | None:
    """The members of an object, or the items of a list of objects by their names."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list | tuple) or not value:
        return None
    for key in NAMED_BY:
        named = {item[key]: item for item in value if isinstance(item, dict) and isinstance(item.get(key), str)}
        if len(named) == len(value):
            return named
    return None


def _shortened(member: str) -> str:
    return member if len(member) <= MEMBER_CHARACTERS else member[:MEMBER_CHARACTERS] + HIDDEN


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], (), {})


def _hidden(value: Any) -> str | None:
    return None if _is_empty(value) else HIDDEN


def _bounded(value: Any) -> Any:
    """The value, or the beginning of it as text."""
    encoded = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _encode(value)
    if len(encoded) <= VALUE_BYTES:
        return value
    return encoded[:VALUE_BYTES].decode("utf-8", "ignore") + HIDDEN
