"""Forwarding (消息转发): messages of devices are sent to targets outside."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.forwarding.message import MEMBERS, body_of
from thingstead.model.forwarding.secret_members import hidden
from thingstead.model.forwarding.target import REPLAY_COUNT, DeadLetter, ForwardTarget, TargetFilter
from thingstead.model.forwarding.target_form import ForwardTargetForm, ForwardTargetPatch
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.wire.automation.forwarding import (
    ForwardDeadLetter,
    ForwardDeleted,
    ForwardReplayed,
    ForwardStatistics,
    ForwardTargetCreated,
    ForwardTargetInfo,
    ForwardTest,
)
from thingstead.wire.common import Listed

TAG = "Forwarding"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}

SMALLEST: Mapping[str, Any] = {
    "name": "ERP",
    "kinds": ["attributes", "event"],
    "url": {"url": "https://erp.example.com/thingstead"},
}
THOROUGH: Mapping[str, Any] = {
    "name": "ERP, cold rooms",
    "kinds": ["attributes", "alarm", "presence", "command_reply"],
    "types": ["m4t8y1qz"],
    "tags": {"site": "north"},
    "batch": False,
    "url": {"url": "https://erp.example.com/cold", "secret": "a long random text", "headers": {"X-Api-Key": "k-9f27"}},
}


class ForwardTargetsQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    enabled: Annotated[bool, Meta(description="1: only enabled targets, 0: only disabled ones.")] | None = None
    keyword: (
        Annotated[str, Meta(max_length=limits.KEYWORD_LENGTH, description="Part of the name, in any case.")] | None
    ) = None


class DeadLettersBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters."""

    ids: (
        Annotated[tuple[str, ...], Meta(min_length=1, max_length=REPLAY_COUNT, description="Their ids; default: all.")]
        | None
    ) = None


class DeadLetterQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letter."""

    id: Annotated[str, Meta(description="Its id; default: all.")] | None = None


class ForwardTestBody(msgspec.Struct, frozen=True, kw_only=True):
    """The target to test: a new one, or an existing one."""

    target: ForwardTargetForm | None = None
    target_id: Annotated[str, Meta(description="In place of `target`: the id of an existing target.")] | None = None


def _shown(target: ForwardTarget, secret: str | None = None) -> ForwardTargetInfo:
    config = target.config
    members = {config.kind: hidden(config.chosen)}
    return ForwardTargetInfo(
        id=target.id,
        name=target.name,
        descr=target.descr,
        enabled=target.enabled,
        kind=config.kind,
        kinds=list(target.kinds),
        types=list(target.type_ids),
        devices=list(target.device_ids),
        tags=target.tags,
        batch=target.batch,
        secret=secret or UNSET,
        create_time=target.create_time,
        update_time=target.update_time,
        version=target.version,
        **members,
    )


def _dead_letter(letter: DeadLetter) -> ForwardDeadLetter:
    message, error = letter.message, letter.error
    return ForwardDeadLetter(
        id=str(letter.seq),
        message_id=message.id,
        kind=message.kind,
        device_id=message.device.id,
        device_name=message.device.name,
        ts=message.ts,
        body=body_of(message) | {MEMBERS[message.kind]: message.content},
        reason=error.reason,
        code=error.code,
        args=error.args,
        status=error.status,
        answer=error.answer,
        create_time=letter.create_time,
    )


async def create_target(call: ApiCall) -> ForwardTargetCreated:
    """Messages of the given `kinds`, of the whole project or of selected `types` and `devices`, narrowed by `tags`, are
    sent to the target: to an http or https address (`url`), which gets a POST for each batch (`batch`: a list) or for
    each message, to a broker (`mqtt`), an InfluxDB (`influxdb`), a PostgreSQL table (`postgresql`), or a Kafka topic
    (`kafka`).

    A message waits on disk from the commit in which it was stored until the target has accepted it, also when the
    server is killed; it is sent at least once, with an id that stays the same. Each device's messages keep their order.
    The body is signed with `secret`; a random one is in the answer, once."""
    target, secret = await call.platform.forwarding.create(call.caller.project_id, call.body)
    return ForwardTargetCreated(id=target.id, name=target.name, secret=secret or UNSET)


async def targets(call: ApiCall) -> Listed[ForwardTargetInfo]:
    """Oldest target first. Secrets are shown as `***`."""
    query: ForwardTargetsQuery = call.query
    page = query.to_page()
    target_filter = TargetFilter(enabled=query.enabled, keyword=query.keyword)
    found, total = await call.platform.forwarding.list_page(call.caller.project_id, target_filter, page)
    return listed([_shown(target) for target in found], total, page)


async def target(call: ApiCall) -> ForwardTargetInfo:
    """A target as it is stored; secrets are shown as `***`."""
    return _shown(await call.platform.forwarding.get(call.caller.project_id, call.path["forward_target_id"]))


async def update_target(call: ApiCall) -> ForwardTargetInfo:
    """Absent members stay unchanged; null empties `types`, `devices` or `tags`. Messages that wait are sent as the
    target is after the change, and at once if it was waiting after a failure. `***` leaves a secret unchanged as long
    as the address is the same."""
    changed, secret = await call.platform.forwarding.update(
        call.caller.project_id, call.path["forward_target_id"], call.body
    )
    return _shown(changed, secret)


async def delete_target(call: ApiCall) -> None:
    """What waits for it is not sent, and its dead letters are removed."""
    await call.platform.forwarding.delete(call.caller.project_id, call.path["forward_target_id"])


async def statistics(call: ApiCall) -> ForwardStatistics:
    """How many messages wait for a target and since when, the outcome of the others, the last failure, and when the
    target is tried again."""
    return await call.platform.forwarding.statistics(call.caller.project_id, call.path["forward_target_id"])


async def retry(call: ApiCall) -> None:
    """Sends what waits at once, without waiting any longer after a failure."""
    await call.platform.forwarding.retry(call.caller.project_id, call.path["forward_target_id"])


async def dead_letters(call: ApiCall) -> Listed[ForwardDeadLetter]:
    """Messages that the target refused for good, the oldest first, with its answer."""
    query: PageQuery = call.query
    page = query.to_page()
    found, total = await call.platform.forwarding.list_dead(
        call.caller.project_id, call.path["forward_target_id"], page
    )
    return listed([_dead_letter(letter) for letter in found], total, page)


async def replay(call: ApiCall) -> ForwardReplayed:
    """Dead letters wait for the target again, the oldest first, at most 1,000 in one call; they keep their ids."""
    body: DeadLettersBody = call.body
    return await call.platform.forwarding.replay(call.caller.project_id, call.path["forward_target_id"], body.ids)


async def delete_dead_letters(call: ApiCall) -> ForwardDeleted:
    """Removes a dead letter, or all of the target."""
    query: DeadLetterQuery = call.query
    chosen = None if query.id is None else (query.id,)
    deleted = await call.platform.forwarding.delete_dead(call.caller.project_id, call.path["forward_target_id"], chosen)
    return ForwardDeleted(deleted=deleted)


async def test_target(call: ApiCall) -> ForwardTest:
    """Sends one message with the content `{"test": true}` to a new or an existing target, and tells what came of it.
    Nothing is stored."""
    body: ForwardTestBody = call.body
    if (body.target is None) is (body.target_id is None):
        raise InvalidInput.field("target", "target_or_target_id")
    return await call.platform.forwarding.test(
        call.caller.project_id, body.target if body.target is not None else body.target_id or ""
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/forward_target",
        summary="Create a forwarding target",
        handler=create_target,
        role=ADMIN,
        body=ForwardTargetForm,
        info=ForwardTargetCreated,
        refusals=(Conflict,),
        example=SMALLEST,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/forward_targets",
        summary="List forwarding targets",
        handler=targets,
        role=VIEWER,
        query=ForwardTargetsQuery,
        info=Listed[ForwardTargetInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/forward_target/{forward_target_id}",
        summary="Read a forwarding target",
        handler=target,
        role=VIEWER,
        info=ForwardTargetInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/forward_target/{forward_target_id}",
        summary="Change a forwarding target",
        handler=update_target,
        role=ADMIN,
        body=ForwardTargetPatch,
        read_only=ForwardTargetInfo,
        info=ForwardTargetInfo,
        refusals=(NotFound, Conflict),
        example=THOROUGH,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/forward_target/{forward_target_id}",
        summary="Remove a forwarding target",
        handler=delete_target,
        role=ADMIN,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/forward_target/{forward_target_id}/statistics",
        summary="Read what waits for a forwarding target, and what was sent",
        handler=statistics,
        role=VIEWER,
        info=ForwardStatistics,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/forward_target/{forward_target_id}/retry",
        summary="Try a forwarding target again at once",
        handler=retry,
        role=OPERATOR,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/forward_target/{forward_target_id}/dead_letters",
        summary="List dead letters of a forwarding target",
        handler=dead_letters,
        role=VIEWER,
        query=PageQuery,
        info=Listed[ForwardDeadLetter],
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/forward_target/{forward_target_id}/replay",
        summary="Send dead letters again",
        handler=replay,
        role=OPERATOR,
        body=DeadLettersBody,
        info=ForwardReplayed,
        refusals=(NotFound,),
        example={},
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/forward_target/{forward_target_id}/dead_letters",
        summary="Remove dead letters",
        handler=delete_dead_letters,
        role=ADMIN,
        query=DeadLetterQuery,
        info=ForwardDeleted,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/forward_target_test",
        summary="Send a test message to a forwarding target",
        handler=test_target,
        role=ADMIN,
        body=ForwardTestBody,
        info=ForwardTest,
        refusals=(NotFound,),
        example={"target": SMALLEST},
        **COMMON,
    ),
)
