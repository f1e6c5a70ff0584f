"""Endpoints that do nothing but show what holds for each."""

from collections.abc import Callable
from typing import Annotated, Any, cast

import httpx
import msgspec

from thingstead.api.app import create_app
from thingstead.api.endpoint import NO_ROLE, Access, ApiCall, Endpoint
from thingstead.config import ApiSettings
from thingstead.errors import (
    Conflict,
    DeviceOffline,
    FieldError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    ReplyTimeout,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from thingstead.metrics import Metrics
from thingstead.model.audit.log import ActorKind, Author
from thingstead.model.roles import VIEWER
from thingstead.model.tenant import TENANT
from thingstead.refusals import Reason
from thingstead.services.accounts.tokens import Caller
from thingstead.services.platform import Platform

Connect = Callable[..., httpx.AsyncClient]

APP = {"Authorization": "Bearer app"}

ADMIN = {"Authorization": "Bearer admin"}

TWO_THINGS = Reason("unknown_refusal", "two things")
REFUSALS: dict[str, ThingsteadError | Exception] = {
    "invalid": InvalidInput(TWO_THINGS, [FieldError.of("a", "must_be_text"), FieldError.of("b", "at_most", maximum=9)]),
    "absent": NotFound("no_such_device"),
    "offline": DeviceOffline("device_offline"),
    "slow": ReplyTimeout(Reason("unknown_refusal", "no reply")),
    "taken": Conflict.field("device_key", "taken"),
    "huge": TooLarge(Reason("unknown_refusal", "too large")),
    "often": TooManyRequests(Reason("unknown_refusal", "slow down"), retry_after_s=7),
    "full": Unavailable(Reason("unknown_refusal", "the disk is full")),
    "bug": RuntimeError("secret detail"),
}


class Inner(msgspec.Struct, kw_only=True):
    identifier: str
    size: int = 0


class Body(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    tags: dict[str, str] = {}
    inner: tuple[Inner, ...] = ()
    note: str | msgspec.UnsetType = msgspec.UNSET


class Query(msgspec.Struct, kw_only=True):
    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    start_time: float | None = None
    online: bool | None = None
    keyword: str | None = None


class Tokens:
    """Knows two tokens by heart."""

    async def authenticate(self, token: str) -> Caller:
        if token not in ("app", "admin"):
            raise NotAuthenticated("token_invalid")
        return Caller("project1", "app1", "admin1" if token == "admin" else None)


async def echo(call: ApiCall) -> dict[str, Any]:
    return {"body": call.body, "query": call.query, "path": call.path, "caller": call.caller}


async def refuse(call: ApiCall) -> None:
    raise REFUSALS[call.path["why"]]


async def nothing(call: ApiCall) -> None:
    """Does nothing."""


async def tenant(call: ApiCall) -> dict[str, str]:
    return {"tenant": TENANT.get()}


async def raw(call: ApiCall) -> msgspec.Raw:
    return msgspec.Raw(b'[1,{"a":2}]')


def declare(method: str, path: str, handler: Any, **members: Any) -> Endpoint:
    role = None if members.get("access") in NO_ROLE else VIEWER
    return Endpoint(method=method, path=path, summary="A test", handler=handler, tag="Test", role=role, **members)


ENDPOINTS = (
    declare("POST", "/open", echo, body=Body, access=Access.PUBLIC),
    declare("POST", "/free", echo, body=dict[str, Any]),
    declare("POST", "/things", echo, body=Body),
    declare("GET", "/list", echo, query=Query),
    declare("GET", "/device/{device_id}", echo),
    declare("GET", "/device/{device_id}/attribute/{identifier}", echo),
    declare("GET", "/refuse/{why}", refuse),
    declare("GET", "/admins", nothing, access=Access.ADMINISTRATOR),
    declare("GET", "/nothing", nothing),
    declare("GET", "/tenant", tenant),
    declare("GET", "/raw", raw),
    declare("GET", "/confidential", nothing, confidential=True),
)


class Authors:
    """Makes authors of changes, of which none is recorded here."""

    def author(self, kind: ActorKind, project_id: str = "", actor_id: str = "", address: str = "") -> Author:
        return Author(kind=kind, project_id=project_id, id=actor_id, address=address, at=0)


def tokens_only() -> Platform:
    """A platform of which calls use their authentication alone."""
    return cast(Platform, type("TokensOnly", (), {"tokens": Tokens(), "audit": Authors()})())


def app(settings: ApiSettings | None = None) -> Any:
    platform = tokens_only()
    return create_app(platform, settings or ApiSettings(), lambda: None, Metrics(), ENDPOINTS)


def named(response: httpx.Response) -> dict[str, str]:
    """The bad fields of a refusal."""
    answer = response.json()
    assert response.status_code == 200
    assert answer["result"] is False
    assert answer["errcode"] == 400
    return {error["field"]: error["message"] for error in answer["errors"]}
