"""Notification groups (通知组): channels under a name, and the log of every attempt to tell."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import Descr, ExpectedVersion, Name, PageQuery, listed
from thingstead.errors import Conflict, NotFound
from thingstead.model.alarms.notification import CHANNELS_COUNT, Channel, NoticeState, NotifyGroup, NotifyLog
from thingstead.model.roles import ADMIN, VIEWER
from thingstead.services.notifications.channels import hide_secrets
from thingstead.services.notifications.notify import GroupForm
from thingstead.wire.common import Created, Listed
from thingstead.wire.notify_groups import NotifyGroupInfo, TestedGroup

TAG = "Notifications"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}
EXAMPLE: Mapping[str, Any] = {
    "name": "Plant 3, night shift",
    "channels": [
        {"email": ["night@example.com"]},
        {"webhook": "https://alarms.example.com/in", "secret": "keep this to yourself"},
        {"dingtalk": "https://oapi.dingtalk.com/robot/send?access_token=0123abcd", "secret": "SEC0123abcd"},
        {"wecom": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0123abcd"},
        {"feishu": "https://open.feishu.cn/open-apis/bot/v2/hook/0123abcd"},
        {"telegram": {"bot_token": "12345:abcd", "chat_id": "-100123"}},
    ],
}


class NotifyGroupBody(msgspec.Struct, frozen=True, kw_only=True):
    """The notification group."""

    name: Name
    descr: Descr = ""
    enabled: Annotated[bool, Meta(description="A disabled group sends nothing; its waiting notices are dropped.")] = (
        True
    )
    channels: Annotated[tuple[Channel, ...], Meta(max_length=CHANNELS_COUNT)] = ()
    version: ExpectedVersion | None = None


class NotifyLogsQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    device: Annotated[str, Meta(description="Only notices about this device (id).")] | None = None
    state: (
        Annotated[NoticeState, Meta(description="Only attempts after which the notice was in this state.")] | None
    ) = None


def _shown(group: NotifyGroup) -> NotifyGroupInfo:
    return NotifyGroupInfo(
        id=group.id,
        version=group.version,
        name=group.name,
        descr=group.descr,
        enabled=group.enabled,
        channels=[hide_secrets(kept.channel) for kept in group.channels],
        create_time=group.create_time,
    )


def _form(body: NotifyGroupBody) -> GroupForm:
    return GroupForm(name=body.name, descr=body.descr, enabled=body.enabled, channels=body.channels)


async def create_group(call: ApiCall) -> Created:
    """A rule uses a group by its id: `{"notify": [{"group": "<id>"}]}`. Each channel has exactly one of `webhook`,
    `email`, `dingtalk`, `wecom`, `feishu` and `telegram`."""
    group = await call.platform.notify.create(call.caller.project_id, _form(call.body))
    return Created(id=group.id, name=group.name)


async def groups(call: ApiCall) -> Listed[NotifyGroupInfo]:
    """Oldest group first. Secrets are shown as `***`."""
    page = call.query.to_page()
    found, total = await call.platform.notify.list_page(call.caller.project_id, page)
    return listed([_shown(group) for group in found], total, page)


async def group(call: ApiCall) -> NotifyGroupInfo:
    """Secrets are shown as `***`."""
    return _shown(await call.platform.notify.get(call.caller.project_id, call.path["notify_group_id"]))


async def update_group(call: ApiCall) -> NotifyGroupInfo:
    """Replaces the whole group. `***` keeps a stored secret; waiting notices of removed channels are dropped."""
    body: NotifyGroupBody = call.body
    notify, project_id = call.platform.notify, call.caller.project_id
    changed = await notify.update(project_id, call.path["notify_group_id"], _form(body), body.version)
    return _shown(changed)


async def delete_group(call: ApiCall) -> None:
    """Refused if a rule uses the group."""
    await call.platform.notify.delete(call.caller.project_id, call.path["notify_group_id"])


async def test_group(call: ApiCall) -> TestedGroup:
    """Sends a test notice over every channel; `GET /api/v1/notify_logs` lists the results."""
    return TestedGroup(count=await call.platform.notify.test(call.caller.project_id, call.path["notify_group_id"]))


async def notify_logs(call: ApiCall) -> Listed[NotifyLog]:
    """Newest attempt first, including notices that were never attempted. `state` is the state of the notice after the
    attempt: `waiting` (will be sent again), `sent`, `failed` (refused permanently), `expired` (not sent within a day),
    `held` (over a daily limit, part of a digest)."""
    query: NotifyLogsQuery = call.query
    page = query.to_page()
    logs, total = await call.platform.notify.list_logs(call.caller.project_id, query.device, query.state, page)
    return listed(logs, total, page)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/notify_group",
        summary="Create a notification group",
        handler=create_group,
        role=ADMIN,
        body=NotifyGroupBody,
        info=Created,
        refusals=(Conflict,),
        example=EXAMPLE,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/notify_groups",
        summary="List notification groups",
        handler=groups,
        role=VIEWER,
        query=PageQuery,
        info=Listed[NotifyGroupInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/notify_group/{notify_group_id}",
        summary="Read a notification group",
        handler=group,
        role=VIEWER,
        info=NotifyGroupInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/notify_group/{notify_group_id}",
        summary="Replace a notification group",
        handler=update_group,
        role=ADMIN,
        body=NotifyGroupBody,
        read_only=NotifyGroupInfo,
        info=NotifyGroupInfo,
        refusals=(NotFound,),
        example=EXAMPLE,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/notify_group/{notify_group_id}",
        summary="Remove a notification group",
        handler=delete_group,
        role=ADMIN,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/notify_group/{notify_group_id}/test",
        summary="Test a notification group",
        handler=test_group,
        role=ADMIN,
        info=TestedGroup,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/notify_logs",
        summary="List notification attempts",
        handler=notify_logs,
        role=VIEWER,
        query=NotifyLogsQuery,
        info=Listed[NotifyLog],
        **COMMON,
    ),
)
