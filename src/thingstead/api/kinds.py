"""The types of bodies and queries, taken apart; and what clients of other languages write for nothing."""

import types
import typing
from typing import Any

import msgspec

FORGIVEN_NODES_COUNT = 10_000  # nodes of a body that are checked for equivalents of absent members


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Members of a union, without annotations; for a plain type the type itself."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(inner for member in typing.get_args(kind) for inner in alternatives(member))
    return (kind,)


def is_struct(kind: Any) -> bool:
    """Whether a type is a msgspec Struct."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def forgiven(value: Any, kind: Any) -> Any:
    """Removes equivalents of absent members from a decoded value: ``null`` for a member that cannot be null, and ``[]``
    for an object, which is how PHP encodes an empty one. Changes the value in place."""
    return _Forgiving().apply(value, kind)


class _Forgiving:
    def __init__(self) -> None:
        self._nodes_left = FORGIVEN_NODES_COUNT

    def apply(self, value: Any, kind: Any) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0 or not isinstance(value, dict | list):
            return value
        possible = alternatives(kind)
        if Any in possible:
            return value
        for alternative in possible:
            origin, arguments = typing.get_origin(alternative), typing.get_args(alternative)
            if isinstance(value, list) and origin in (list, tuple):
                value[:] = [self.apply(item, arguments[0]) for item in value]
                return value
            if isinstance(value, dict) and origin is dict:
                for key in value:
                    value[key] = self.apply(value[key], arguments[1])
                return value
            if isinstance(value, dict) and is_struct(alternative):
                self._forgive_members(value, alternative)
                return value
        takes_objects = any(is_struct(each) or dict in (each, typing.get_origin(each)) for each in possible)
        return {} if value == [] and takes_objects else value

    def _forgive_members(self, value: dict[str, Any], struct: type[msgspec.Struct]) -> None:
        for field in msgspec.structs.fields(struct):
            name = field.encode_name
            if name not in value:
                continue
            possible = alternatives(field.type)
            if value[name] is None and types.NoneType not in possible and Any not in possible:
                del value[name]
            else:
                value[name] = self.apply(value[name], field.type)
