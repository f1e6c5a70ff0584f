"""Finds members of a body and names of a query that an endpoint does not know: a typing error must not be taken for
something else."""

import functools
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from thingstead.api.kinds import alternatives, is_struct
from thingstead.api.validation import Path, parse_query, unknown
from thingstead.errors import FieldError

UNKNOWN_LIMIT = 20  # unknown names listed in one answer


@functools.cache
def unknown_of_body(
    kind: Any, read_only: type[msgspec.Struct] | None = None
) -> Callable[[bytes], list[FieldError]] | None:
    """Makes a function that lists the unknown members of a JSON body of this type, at most UNKNOWN_LIMIT; none if the
    body is not JSON. Returns None if any members are allowed.

    Args:
        read_only: type of the answer that a caller may have changed and sent back: its members are known, too.
    """
    shape = _shape_of(kind, {})
    if read_only is not None and shape.fields is not None:
        more = {field.encode_name: _ANYTHING for field in msgspec.structs.fields(read_only)}
        shape.fields = more | shape.fields
    if not shape.binds:
        return None

    decode: Callable[[bytes], Any] = msgspec.json.Decoder(dict[str, msgspec.Raw] if shape.is_flat else Any).decode

    def look(body: bytes) -> list[FieldError]:
        found: list[FieldError] = []
        try:
            _walk(shape, decode(body), None, found)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # the decoder refuses it
        return found

    return look


@functools.cache
def unknown_of_query(kind: type[msgspec.Struct] | None) -> Callable[[bytes], list[FieldError]]:
    """The same for a query string; ``kind`` is None if the endpoint has no query."""
    known = [] if kind is None else [field.encode_name for field in msgspec.structs.fields(kind)]
    known_bytes = {name.encode() for name in known}

    def look(query_string: bytes) -> list[FieldError]:
        if all(pair.partition(b"=")[0] in known_bytes for pair in query_string.split(b"&")):
            return []  # the usual case: no second parse
        strange = [name for name in parse_query(query_string) if name not in known]
        return [unknown(name, known, None) for name in strange[:UNKNOWN_LIMIT]]

    return look


class _Shape:
    """Known members of a value, at any depth; None: any members."""

    __slots__ = ("fields", "items", "values")

    def __init__(self) -> None:
        self.fields: dict[str, _Shape] | None = None  # members of an object
        self.values: _Shape | None = None  # values of an object with free names
        self.items: _Shape | None = None  # items of an array

    @property
    def binds(self) -> bool:
        """Whether any name could be unknown."""
        return not (self.fields is None and self.values is None and self.items is None)

    @property
    def is_flat(self) -> bool:
        """Whether only names at the top level could be unknown, so that its members need not be decoded."""
        return self.fields is not None and self.items is None and not any(each.binds for each in self.fields.values())


_ANYTHING = _Shape()


def _shape_of(kind: Any, made: dict[Any, _Shape]) -> _Shape:
    """Shape of a type. ``made`` has the shapes of Structs so far, because types may be recursive."""
    shape = _Shape()
    objects = 0
    for each in alternatives(kind):
        origin, arguments = typing.get_origin(each), typing.get_args(each)
        if is_struct(each):
            objects += 1
            shape.fields = _fields_of(each, made)
        elif origin is dict:
            objects += 1
            values = _shape_of(arguments[1], made)
            shape.values = values if values.binds else None
        elif origin in (list, tuple):
            items = _shape_of(arguments[0], made)
            shape.items = items if items.binds else None
        elif each in (Any, dict, msgspec.Raw):
            return _ANYTHING
    if objects > 1:  # a union of objects: names do not tell which one is meant
        shape.fields = shape.values = None
    return shape


def _fields_of(struct: type[msgspec.Struct], made: dict[Any, _Shape]) -> dict[str, _Shape]:
    shape = made.get(struct)
    if shape is None:
        shape = made[struct] = _Shape()
        shape.fields = {}
        for field in msgspec.structs.fields(struct):
            shape.fields[field.encode_name] = _shape_of(field.type, made)
    assert shape.fields is not None  # set above
    return shape.fields


def _walk(shape: _Shape, value: Any, path: Path, found: list[FieldError]) -> None:
    if isinstance(value, dict):
        if shape.fields is None and shape.values is None:
            return
        for name, member in value.items():
            if len(found) >= UNKNOWN_LIMIT:
                return
            below = shape.values if shape.fields is None else shape.fields.get(name)
            if below is None:
                found.append(unknown(name, shape.fields or (), path))
            else:
                _walk(below, member, (path, name), found)
    elif isinstance(value, list) and shape.items is not None:
        for index, item in enumerate(value):
            if len(found) >= UNKNOWN_LIMIT:
                return
            _walk(shape.items, item, (path, index), found)
