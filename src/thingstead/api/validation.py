"""From bytes to Structs. The quick way decodes in one step; when that fails, the slow way names every bad field.

Unknown members of a body are ignored, since real clients send extras; types are strict. An empty query value is the
same as none, the last of several values counts.
"""

import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from thingstead.errors import FieldError, InvalidInput
from thingstead.model.limits import JSON_DEPTH

ERRORS_LIMIT = 100  # named in one answer
QUERY_FIELDS_LIMIT = 100
QUERY_BYTES_LIMIT = 8_192
INTEGER_LIMIT = 2**53  # of a query: beyond it, clients in JavaScript cannot count anyway
LONG_DIGITS = re.compile(rb"\d{19}")  # an integer that may not fit in 64 bits
LOCATION = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")


class MalformedJson(InvalidInput):
    """The body is not JSON at all; the Project API answers that in a way of its own."""

    def __init__(self) -> None:
        super().__init__("Invalid JSON message")


def body_decoder(kind: Any) -> Callable[[bytes], Any]:
    """A function that decodes a body into ``kind``.

    Raises (the function):
        MalformedJson: the bytes are not one JSON text in UTF-8.
        InvalidInput: they are, but not of this kind; names every bad field.
    """
    decode = msgspec.json.Decoder(kind).decode

    def decode_body(body: bytes) -> Any:
        check_later = LONG_DIGITS.search(body) is not None or body.count(b"[") + body.count(b"{") > JSON_DEPTH
        try:
            if check_later:
                _check_bounds(msgspec.json.decode(body))
            return decode(body)
        except msgspec.ValidationError as exc:
            raise _explain(body, kind, exc) from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise MalformedJson from exc
        except RecursionError:
            raise _too_deep() from None

    return decode_body


def query_decoder(kind: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    """A function that decodes a query string into ``kind``; it raises InvalidInput, naming every bad field."""
    bounded = [field.encode_name for field in msgspec.structs.fields(kind) if _is_number(field.type)]
    default = _default(kind)

    def decode_query(query_string: bytes) -> Any:
        if not query_string and default is not None:
            return default
        values = parse_query(query_string)
        uncountable = [name for name in bounded if name in values and not _is_countable(values[name])]
        errors = [FieldError(name, "must be a finite number of at most 16 digits") for name in uncountable]
        try:
            query = msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError:
            found = find_errors(values, kind, strict=False)
            errors += [FieldError(e.field, _of_query(e.message)) for e in found if e.field not in uncountable]
        if errors:
            raise _invalid(errors)
        return query

    return decode_query


def parse_query(query_string: bytes) -> dict[str, str]:
    """The values of a query string by name; the last one counts, empty ones are left out."""
    if len(query_string) > QUERY_BYTES_LIMIT:
        raise InvalidInput.field("query", f"is longer than {QUERY_BYTES_LIMIT} bytes")
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), max_num_fields=QUERY_FIELDS_LIMIT)
    except ValueError:
        raise InvalidInput.field("query", f"has more than {QUERY_FIELDS_LIMIT} fields") from None
    return dict(pairs)


def find_errors(value: Any, kind: Any, *, strict: bool = True) -> list[FieldError]:
    """Every bad field of a decoded value, by its path; at most ERRORS_LIMIT."""
    found: list[FieldError] = []
    _walk(value, kind, "", strict, found)
    return found[:ERRORS_LIMIT]


def _default(kind: type[msgspec.Struct]) -> msgspec.Struct | None:
    try:
        return kind()
    except TypeError:  # some member is required
        return None


def _is_number(kind: Any) -> bool:
    return any(alternative in (int, float) for alternative in _alternatives(kind))


def _is_countable(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return True  # the conversion will say what is wrong with it
    return math.isfinite(number) and abs(number) <= INTEGER_LIMIT


def _of_query(message: str) -> str:
    """All values of a query are texts, and none is null: that needs no saying."""
    return message.removesuffix(", got 'str'").replace(" | null'", "'")


def _explain(body: bytes, kind: Any, error: msgspec.ValidationError) -> InvalidInput:
    try:
        value = msgspec.json.decode(body)
    except msgspec.ValidationError:  # such as 1e999
        return InvalidInput.field("body", "holds a number that is out of range")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return MalformedJson()
    except RecursionError:
        return _too_deep()
    return _invalid(find_errors(value, kind) or [_field_error(error, "")])


def _invalid(errors: list[FieldError]) -> InvalidInput:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return InvalidInput(f"{first.field}: {first.message}{more}", errors)


def _too_deep() -> InvalidInput:
    return InvalidInput.field("body", f"is nested more than {JSON_DEPTH} levels deep")


def _check_bounds(root: Any) -> None:
    """Refuses integers beyond 64 bits, which nothing could store, and nesting beyond JSON_DEPTH."""
    level: list[tuple[str, Any]] = [("", root)]
    depth = 0
    while level:
        depth += 1
        if depth > JSON_DEPTH + 1:
            raise _too_deep()
        below: list[tuple[str, Any]] = []
        for path, value in level:
            if isinstance(value, dict):
                below.extend((f"{path}.{key}" if path else key, item) for key, item in value.items())
            elif isinstance(value, list):
                below.extend((f"{path}[{index}]", item) for index, item in enumerate(value))
            elif isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise InvalidInput.field(path or "body", "is an integer of more than 64 bits")
        level = below


def _walk(value: Any, kind: Any, path: str, strict: bool, found: list[FieldError]) -> None:
    """Adds what is wrong with ``value``: what lies deeper first, and only if that is all right the value itself."""
    before = len(found)
    for item, item_kind, item_path in _parts(value, kind, path, found):
        _walk(item, item_kind, item_path, strict, found)
        if len(found) >= ERRORS_LIMIT:
            return
    if len(found) == before:
        try:
            msgspec.convert(value, kind, strict=strict)
        except msgspec.ValidationError as exc:
            found.append(_field_error(exc, path))


def _parts(value: Any, kind: Any, path: str, found: list[FieldError]) -> list[tuple[Any, Any, str]]:
    """What a value is made of: (part, its kind, its path). Notes required members that are missing."""
    for alternative in _alternatives(kind):
        origin, arguments = typing.get_origin(alternative), typing.get_args(alternative)
        if isinstance(value, dict) and _is_struct(alternative):
            return _members(value, alternative, path, found)
        if isinstance(value, dict) and origin is dict:
            return [(item, arguments[1], _join(path, key)) for key, item in value.items()]
        if isinstance(value, list) and origin in (list, tuple):
            return [(item, arguments[0], f"{path}[{index}]") for index, item in enumerate(value)]
    return []


def _members(
    value: dict[str, Any], struct: type[msgspec.Struct], path: str, found: list[FieldError]
) -> list[tuple[Any, Any, str]]:
    parts = []
    for field in msgspec.structs.fields(struct):
        if field.encode_name in value:
            parts.append((value[field.encode_name], field.type, _join(path, field.encode_name)))
        elif field.required:
            found.append(FieldError(_join(path, field.encode_name), "is required"))
    return parts


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union, without annotations; a plain type is its own only member."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(inner for member in typing.get_args(kind) for inner in _alternatives(member))
    return (kind,)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _field_error(error: msgspec.ValidationError, path: str) -> FieldError:
    text = str(error)
    location = LOCATION.search(text)
    if location is not None:
        path = f"{path}{location['path']}".removeprefix(".")
        text = text[: location.start()]
    return FieldError(path or "body", text.replace("`", "'"))
