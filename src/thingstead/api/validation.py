"""Decodes bytes to Structs, in one step; if that fails, a second pass finds every invalid field.

Types are strict. An empty query value is the same as none, the last of several values counts. Names that an endpoint
does not know pass here, but for Structs that forbid them; see :mod:`~thingstead.api.unknown_names`.
"""

import functools
import math
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from thingstead.api.kinds import alternatives, forgiven, is_struct
from thingstead.errors import FieldError, InvalidInput
from thingstead.model.limits import JSON_DEPTH
from thingstead.model.values.json_text import has_wide_integer, is_too_deep
from thingstead.model.wording import json_problem, member_problem, not_known

ERRORS_LIMIT = 100  # errors listed in one answer
NODES_LIMIT = 10_000  # nodes of a refused body that are checked to list its errors
VALUES_COUNT = 1_000_000  # values of a body, estimated by its commas
DETAILS_BYTES = 1_048_576  # largest body whose errors are all listed; for larger ones only the first
PATH_KEY_CHARACTERS, PATH_CHARACTERS, MESSAGE_CHARACTERS = (
    64,
    256,
    256,
)  # longer ones are cut in answers
QUERY_FIELDS_LIMIT = 100
QUERY_BYTES_LIMIT = 8_192
INTEGER_LIMIT = 2**53  # of a query: JavaScript clients cannot represent larger integers exactly
LOCATION = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")


class MalformedJson(InvalidInput):
    """The body is not JSON; the Project API has a special answer for it."""


@functools.cache
def body_decoder(kind: Any, *, wide_integers: bool = False) -> Callable[[bytes], Any]:
    """Makes a function that decodes a body into ``kind``.

    It raises MalformedJson if the bytes are not one JSON text in UTF-8, and InvalidInput, with every invalid field, if
    the JSON is not of this type.

    Args:
        wide_integers: do not refuse integers over 64 bits, which cannot be stored.
    """
    decode = msgspec.json.Decoder(kind).decode

    def decode_body(body: bytes) -> Any:
        if len(body) > VALUES_COUNT and body.count(b",") > VALUES_COUNT:
            raise InvalidInput.field("body", "too_many_commas", maximum=VALUES_COUNT)
        try:
            if not wide_integers and has_wide_integer(body):
                raise _wide_integer(body)
            value = decode(body)
        except msgspec.ValidationError as exc:
            return _convert(body, kind, exc)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise MalformedJson(json_problem(body, exc)) from exc
        except RecursionError:
            raise _too_deep() from None
        if is_too_deep(body):
            raise _too_deep()
        return value

    return decode_body


@functools.cache
def query_decoder(kind: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """Makes a function that decodes a query string into ``kind``; it raises InvalidInput with every invalid field."""
    repeated = {field.encode_name for field in msgspec.structs.fields(kind) if _is_list(field.type)}
    bounded = [field.encode_name for field in msgspec.structs.fields(kind) if _is_number(field.type)]
    default = _default(kind)

    def decode_query(query_string: bytes) -> Any:
        if not query_string and default is not None:
            return default
        values: dict[str, Any] = parse_query(query_string)
        for name in repeated & values.keys():
            values[name] = repeated_values(query_string, name)
        uncountable = [name for name in bounded if name in values and not _is_countable(values[name])]
        errors = [FieldError.of(name, "finite_number") for name in uncountable]
        try:
            query = msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError:
            found = find_errors(values, kind, strict=False)
            errors += [error for error in found if error.field not in uncountable]
        if errors:
            raise invalid(errors)
        return query

    return decode_query


def parse_query(query_string: bytes) -> dict[str, str]:
    """Values of a query string by name; of repeated names the last one; empty values are omitted."""
    return dict(_pairs(query_string))


def repeated_values(query_string: bytes, name: str) -> list[str]:
    """All values of one name in a query string, in order; empty values are omitted."""
    return [value for each, value in _pairs(query_string) if each == name]


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    if len(query_string) > QUERY_BYTES_LIMIT:
        raise InvalidInput.field("query", "query_too_long", maximum=QUERY_BYTES_LIMIT)
    try:
        return parse_qsl(query_string.decode("utf-8", "replace"), max_num_fields=QUERY_FIELDS_LIMIT)
    except ValueError:
        raise InvalidInput.field("query", "query_too_many_fields", maximum=QUERY_FIELDS_LIMIT) from None


def find_errors(value: Any, kind: Any, *, strict: bool = True) -> list[FieldError]:
    """Bad fields of a decoded value, with their paths: at most ERRORS_LIMIT, among its first NODES_LIMIT nodes."""
    search = _Search(strict)
    search.look_at(value, kind, None)
    return search.found[:ERRORS_LIMIT]


def _default(kind: type[msgspec.Struct]) -> msgspec.Struct | None:
    try:
        return kind()
    except TypeError:  # a member is required
        return None


def _is_number(kind: Any) -> bool:
    return any(alternative in (int, float) for alternative in alternatives(kind))


def _is_list(kind: Any) -> bool:
    return any(typing.get_origin(alternative) is list for alternative in alternatives(kind))


def _is_countable(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return True  # the conversion will report the error
    return math.isfinite(number) and abs(number) <= INTEGER_LIMIT


def _convert(body: bytes, kind: Any, error: msgspec.ValidationError) -> Any:
    """Converts a decoded body to its type after removing equivalents of absent members. Raises InvalidInput."""
    if len(body) > DETAILS_BYTES:
        raise invalid([_field_error(error, kind, None)])
    try:
        value = msgspec.json.decode(body)
    except msgspec.ValidationError:  # such as 1e999
        raise InvalidInput.field("body", "has_number_out_of_range") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise MalformedJson(json_problem(body, exc)) from None
    except RecursionError:
        raise _too_deep() from None
    if is_too_deep(body):
        raise _too_deep()
    value = forgiven(value, kind)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise invalid(find_errors(value, kind) or [_field_error(error, kind, None)]) from error


def invalid(errors: list[FieldError]) -> InvalidInput:
    """The error for these fields; at least one."""
    return InvalidInput.of(errors, counted=True)


def _too_deep() -> InvalidInput:
    return InvalidInput.field("body", "nested_too_deep", maximum=JSON_DEPTH)


def _wide_integer(body: bytes) -> InvalidInput:
    """The error that names an integer over 64 bits in a body, among its first NODES_LIMIT nodes."""
    level: list[tuple[Path, Any]] = [(None, msgspec.json.decode(body))]
    left = NODES_LIMIT
    while level and left > 0:
        left -= len(level)
        below: list[tuple[Path, Any]] = []
        for path, value in level:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                return InvalidInput.field(_text(path), "integer_too_wide")
            if isinstance(value, dict | list):
                items = value.items() if isinstance(value, dict) else enumerate(value)
                below.extend(((path, key), item) for key, item in islice(items, max(0, left - len(below))))
        level = below
    return InvalidInput.field("body", "has_integer_too_wide")


class _Search:
    """Finds the errors in a value, from the whole to its parts; valid parts are not searched."""

    def __init__(self, strict: bool) -> None:
        self.found: list[FieldError] = []
        self._strict = strict
        self._nodes_left = NODES_LIMIT

    def look_at(self, value: Any, kind: Any, path: "Path") -> None:
        """Adds the errors of a value: those of its parts, or its own if all parts are valid."""
        self._nodes_left -= 1
        if kind is msgspec.Raw:  # any value is valid
            return
        try:
            msgspec.convert(value, kind, strict=self._strict)
        except msgspec.ValidationError as exc:
            before = len(self.found)
            for part, part_kind, part_path in self._parts(value, kind, path):
                if len(self.found) >= ERRORS_LIMIT or self._nodes_left <= 0:
                    return
                self.look_at(part, part_kind, part_path)
            if len(self.found) == before:
                self.found.append(_field_error(exc, kind, path))

    def _parts(self, value: Any, kind: Any, path: "Path") -> Iterator[tuple[Any, Any, "Path"]]:
        """Parts of a value: (part, its type, its path). Adds errors for missing required members."""
        for alternative in alternatives(kind):
            origin, arguments = typing.get_origin(alternative), typing.get_args(alternative)
            if isinstance(value, dict) and is_struct(alternative):
                return self._members(value, alternative, path)
            if isinstance(value, dict) and origin is dict:
                return ((item, arguments[1], (path, key)) for key, item in value.items())
            if isinstance(value, list) and origin in (list, tuple):
                return ((item, arguments[0], (path, index)) for index, item in enumerate(value))
        return iter(())

    def _members(
        self, value: dict[str, Any], struct: type[msgspec.Struct], path: "Path"
    ) -> Iterator[tuple[Any, Any, "Path"]]:
        for field in msgspec.structs.fields(struct):
            if field.encode_name in value:
                yield value[field.encode_name], field.type, (path, field.encode_name)
            elif field.required:
                self.found.append(FieldError.of(_text((path, field.encode_name)), "required"))
        if struct.__struct_config__.forbid_unknown_fields:
            known = [field.encode_name for field in msgspec.structs.fields(struct)]
            strange = [name for name in value if name not in known]
            self.found += [unknown(name, known, path) for name in strange[:ERRORS_LIMIT]]


# Path of a value: (path of its parent, key or index). Converted to a text only for errors.
Path: typing.TypeAlias = "tuple[Path, str | int] | None"


def _text(path: "Path") -> str:
    """Path as a text: ``inner[2].identifier``; long keys and paths are truncated."""
    names: list[str] = []
    while path is not None:
        path, key = path
        names.append(f"[{key}]" if isinstance(key, int) else f".{_cut(key, PATH_KEY_CHARACTERS)}")
    return _cut("".join(reversed(names)).removeprefix("."), PATH_CHARACTERS) or "body"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def unknown(name: str, known: Iterable[str], path: "Path") -> FieldError:
    """The error for an unknown member or query name, with the name that may have been meant."""
    return FieldError(_text((path, name)), not_known(name, known))


def _field_error(error: msgspec.ValidationError, kind: Any, path: "Path") -> FieldError:
    text = str(error)
    location = LOCATION.search(text)
    name = "" if path is None else _text(path)
    if location is not None:
        name = _cut(f"{name}{location['path']}".removeprefix("."), PATH_CHARACTERS)
        text, kind = text[: location.start()], None
    reason = member_problem(text, kind)
    return FieldError(name or "body", reason._replace(message=_cut(reason.message, MESSAGE_CHARACTERS)))
