"""How the Project API says that something worked, and that it did not: the only place that makes its answers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.api.validation import MalformedJson
from thingstead.errors import (
    Conflict,
    FieldError,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from thingstead.refusals import Reason, reason

JSON_TYPE = b"application/json"
SUCCESS, SUCCESS_END = b'{"result":true,"info":', b"}"
EMPTY_SUCCESS = b'{"result":true,"info":{}}'

encode = msgspec.json.Encoder().encode


class HttpAnswer(NamedTuple):
    """A complete HTTP response."""

    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    headers: tuple[tuple[bytes, bytes], ...] = ()
    pieces: AsyncIterator[bytes] | None = None  # the body, where it is made while it is sent
    gzip_body: bytes = b""  # the body compressed with gzip, if stored
    code: str = ""  # code of the error, for the metrics


class NamedError(msgspec.Struct, frozen=True):
    """A field or another name in a request, and the error about it."""

    field: str
    message: str
    code: str  # stable, at most 32 bytes; texts are in docs/refusals.md
    args: dict[str, Any]  # values of the placeholders in the text

    @classmethod
    def of(cls, error: FieldError) -> "NamedError":
        """The error with its field, its code and the arguments of its texts."""
        return cls(error.field, error.message, error.reason.code, dict(error.reason.args))


class InvalidJson(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a body that is not JSON."""

    result: bool = False
    message: str = "Invalid JSON message"
    errcode: int = 400
    code: str
    args: dict[str, Any]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The failure envelope."""

    result: bool = False
    errcode: int
    message: str
    code: str  # of the first error in ``errors``, if there are any
    args: dict[str, Any]
    errors: list[NamedError] = []
    info: Any | UnsetType = UNSET  # details of a conflict for programs


class Errcode(NamedTuple):
    """A row of the documented table of errcodes."""

    errcode: int
    http_status: str
    meaning: str


ERRCODES = (
    Errcode(400, "200", "A field is missing, malformed or invalid; errors lists each. (A body that is not JSON: 404.)"),
    Errcode(401, "401", "The AccessToken is missing, wrong or expired. (A failed log-in: 200.)"),
    Errcode(403, "200", "The caller is authenticated and not authorized."),
    Errcode(404, "200", "The object does not exist in the project, or the device is offline."),
    Errcode(408, "200", "The device did not reply in time. (A body that does not arrive in time: 408.)"),
    Errcode(409, "200", "A value that must be unique is taken, or the current state does not allow the change."),
    Errcode(413, "413", "The body is larger than the limit."),
    Errcode(429, "429", "Throttled; the header Retry-After says for how many seconds."),
    Errcode(500, "500", "An error of the server; its log has the details."),
    Errcode(503, "503", "The server cannot store data now. Nothing was changed; try again later."),
)

NO_STORE = (b"cache-control", b"no-store")


def unknown_resource(hint: str) -> HttpAnswer:
    """HTTP 404 with the body of the reference and a hint."""
    why = reason("unknown_path")
    return HttpAnswer(404, encode({"message": why.message, "hint": hint, "code": why.code}))


UNKNOWN_RESOURCE = unknown_resource("unknown path; /docs lists all paths")


def success(info: Any, warnings: Sequence[FieldError] = ()) -> HttpAnswer:
    """HTTP 200 with ``info``. None stands for ``{}``; ``msgspec.Raw`` is inserted unchanged.

    Args:
        warnings: unknown names in the request, which were ignored.
    """
    body = EMPTY_SUCCESS if info is None else b"".join((SUCCESS, encode(info), SUCCESS_END))
    return HttpAnswer(200, with_warnings(body, warnings) if warnings else body)


def with_warnings(answer: bytes, warnings: Sequence[FieldError]) -> bytes:
    """Adds the member ``warnings`` to an encoded JSON object."""
    named = [NamedError.of(warning) for warning in warnings]
    return b"".join((answer[:-1], b',"warnings":', encode(named), b"}"))


def failure(error: ThingsteadError, *, malformed_json_status: int = 404) -> HttpAnswer:
    """The response to a refused request: HTTP 200 with the failure envelope, or an HTTP status where HTTP has one for
    it."""
    if isinstance(error, MalformedJson):
        body = encode(InvalidJson(code=error.code, args=dict(error.reason.args)))
        return HttpAnswer(malformed_json_status, body, code=error.code)
    info = error.info if isinstance(error, Conflict) else None
    body = _envelope(error.errcode, error.reason, error.errors, info)
    if isinstance(error, TooManyRequests):
        return HttpAnswer(429, body, headers=((b"retry-after", b"%d" % error.retry_after_s),), code=error.code)
    if isinstance(error, TooLarge):  # the rest of the body is not read, so the connection must be closed
        return HttpAnswer(413, body, headers=((b"connection", b"close"),), code=error.code)
    if isinstance(error, Unavailable):
        return HttpAnswer(503, body, headers=((b"retry-after", b"1"),), code=error.code)
    return HttpAnswer(200, body, code=error.code)


def not_authenticated(error: ThingsteadError) -> HttpAnswer:
    """HTTP 401: the request has no valid AccessToken."""
    headers = ((b"www-authenticate", b"Bearer"),)
    return HttpAnswer(401, _envelope(error.errcode, error.reason), headers=headers, code=error.code)


def _envelope(errcode: int, why: Reason, errors: tuple[FieldError, ...] = (), info: Any = None) -> bytes:
    failure = Failure(
        errcode=errcode,
        message=why.message,
        code=why.code,
        args=dict(why.args),
        errors=[NamedError.of(error) for error in errors],
        info=UNSET if info is None else info,
    )
    return encode(failure)


BODY_TOO_SLOW = HttpAnswer(408, _envelope(408, reason("body_too_slow")), headers=((b"connection", b"close"),))
FAULT = HttpAnswer(500, _envelope(500, reason("internal_error")))  # a bug; details are in the log
