"""How the device's planes say that something worked, and that it did not (wire reference §1.3): ``{"result": 1}``.

Official clients take HTTP 200 with ``result`` 1 for a success and anything else for a failure. What is wrong with the
content of a request is therefore HTTP 200 with ``result`` 0; HTTP's own words are kept for what concerns the request as
such: the certificate (401), a slow or large body (408, 413), throttling (429), a server that cannot (500, 503).
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.dialect import HttpAnswer
from thingstead.errors import (
    FieldError,
    InvalidInput,
    NotAuthenticated,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from thingstead.model.device_answers import ACCEPTED, partly_refused, refusal, refused_for
from thingstead.refusals import CODE_BYTES, reason

_encode = msgspec.json.Encoder().encode


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Success."""

    result: Literal[1] = 1


class Kept(Done, frozen=True, kw_only=True):
    """The report is on disk, except for the refused values."""

    refused: Annotated[list[str] | UnsetType, Meta(description="The first three refused values, with the reasons.")] = (
        UNSET
    )
    code: Annotated[
        str | UnsetType, Meta(description="Extension: code of the first refusal; texts are in docs/refusals.md.")
    ] = UNSET


class Values(Done, frozen=True, kw_only=True):
    """Current values by attribute identifier."""

    attributes: dict[str, Any]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The request was refused."""

    result: Literal[0] = 0
    errcode: int
    message: str
    code: Annotated[
        str, Meta(max_length=CODE_BYTES, description="Extension: code of the reason; texts are in docs/refusals.md.")
    ]


def success(answer: Any) -> HttpAnswer:
    """HTTP 200 with the result of a handler."""
    if answer is None:
        answer = ACCEPTED
    return HttpAnswer(200, answer if isinstance(answer, bytes) else _encode(answer))


def failure(error: ThingsteadError) -> HttpAnswer:
    """The response to a refused request."""
    body = refusal(error)
    if isinstance(error, NotAuthenticated):
        return HttpAnswer(401, body)
    if isinstance(error, TooManyRequests):
        return HttpAnswer(429, body, headers=((b"retry-after", b"%d" % error.retry_after_s),))
    if isinstance(error, TooLarge):  # the rest of the body is not read, so the connection must be closed
        return HttpAnswer(413, body, headers=((b"connection", b"close"),))
    if isinstance(error, Unavailable):
        return HttpAnswer(503, body, headers=((b"retry-after", b"1"),))
    return HttpAnswer(200, body)


def kept(refused: Sequence[FieldError]) -> bytes:
    """The answer to a report of which at least a part was stored."""
    return partly_refused(refused) if refused else ACCEPTED


def nothing_kept(refused: Sequence[FieldError]) -> InvalidInput:
    """The error for a report whose values were all refused."""
    return InvalidInput.of(refused)


BODY_TOO_SLOW = HttpAnswer(408, refused_for(408, reason("body_too_slow")), headers=((b"connection", b"close"),))
FAULT = HttpAnswer(500, refused_for(500, reason("internal_error")))
