"""What happened to a device (设备消息日志): its events and commands, its connections, and what was refused of it."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.api.project.control import command_members
from thingstead.errors import InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.device_log import LogKind
from thingstead.model.roles import VIEWER
from thingstead.services.shared.recorded_reasons import recorded_reason
from thingstead.wire.common import Listed
from thingstead.wire.control import CommandItem
from thingstead.wire.device_logs import ConnectionItem, DataItem, EventItem, RejectedItem

COMMON: Mapping[str, Any] = {
    "method": "GET",
    "tag": "Device logs",
    "role": VIEWER,
    "refusals": (NotFound,),
    "extension": True,
}
Instant = Annotated[float, Meta(ge=0, le=limits.INSTANT_MS)]
T = TypeVar("T", bound=msgspec.Struct)


class LogQuery(PageQuery, frozen=True, kw_only=True):
    """The time range and the page."""

    start_time: Annotated[Instant, Meta(description="The earliest instant, in ms.")] | None = None
    end_time: Annotated[Instant, Meta(description="The latest instant, in ms.")] | None = None

    def span(self) -> tuple[int, int]:
        """The first and the last millisecond of the range."""
        start = 0 if self.start_time is None else int(self.start_time)
        end = limits.INSTANT_MS if self.end_time is None else int(self.end_time)
        if start > end:
            raise InvalidInput.field("start_time", "start_after_end")
        return start, end


class EventQuery(LogQuery, frozen=True, kw_only=True):
    """The time range, the page, and the method."""

    method: Annotated[str, Meta(description="Only events of this method.")] | None = None


async def event_logs(call: ApiCall) -> Listed[EventItem]:
    """Newest event first."""
    device = await call.platform.devices.get(call.caller.project_id, call.path["device_id"])
    query: EventQuery = call.query
    page, (start, end) = query.to_page(), query.span()
    events, total = await call.platform.device_logs.list_events(device, page, start, end, query.method)
    items = [EventItem(id=event.id, method=event.method, params=event.params, ts=event.ts) for event in events]
    return listed(items, total, page)


async def command_logs(call: ApiCall) -> Listed[CommandItem]:
    """Newest command first. States: `queued`, `sent`, `delivered` (acknowledged by the device), `replied`; or `failed`,
    `expired`. A delivered command without a defined reply stays `delivered`."""
    device = await call.platform.devices.get(call.caller.project_id, call.path["device_id"])
    page = call.query.to_page()
    commands, total = await call.platform.device_logs.list_commands(device, page, *call.query.span())
    items = [CommandItem(**command_members(command)) for command in commands]
    return listed(items, total, page)


async def connection_logs(call: ApiCall) -> Listed[ConnectionItem]:
    """Newest entry first; the newest 1,000 are stored."""
    return await _entries(call, "connection", ConnectionItem)


async def rejected_logs(call: ApiCall) -> Listed[RejectedItem]:
    """Refused messages of the device with the reasons, newest first; the newest 1,000 are stored. If many are refused,
    one entry is added every few seconds, with the number of those in between."""
    return await _entries(call, "rejected", RejectedItem)


async def data_logs(call: ApiCall) -> Listed[DataItem]:
    """Custom data in both directions, newest first; the newest 1,000 are stored."""
    return await _entries(call, "data", DataItem)


async def _entries(call: ApiCall, kind: LogKind, item: type[T]) -> Listed[T]:
    device = await call.platform.devices.get(call.caller.project_id, call.path["device_id"])
    page = call.query.to_page()
    entries, total = await call.platform.device_logs.list_page(device, kind, page, *call.query.span())
    return listed([shown_entry(entry.ts, entry.body, item) for entry in entries], total, page)


def shown_entry(ts: int, body: dict[str, Any], item: type[T]) -> T:
    """An entry of a device's log as a list shows it."""
    members = {name: value for name, value in body.items() if value is not None}
    if item is ConnectionItem:
        why = recorded_reason(body["reason"])
        members |= {"code": why.code, "args": dict(why.args)}
    return msgspec.convert({"ts": ts, **members}, item)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        path="/api/v1/device/{device_id}/event_logs",
        scoped="events",
        summary="List a device's events",
        handler=event_logs,
        query=EventQuery,
        info=Listed[EventItem],
        **COMMON,
    ),
    Endpoint(
        path="/api/v1/device/{device_id}/command_logs",
        summary="List a device's commands",
        handler=command_logs,
        query=LogQuery,
        info=Listed[CommandItem],
        **COMMON,
    ),
    Endpoint(
        path="/api/v1/device/{device_id}/connection_logs",
        summary="List a device's connections",
        handler=connection_logs,
        query=LogQuery,
        info=Listed[ConnectionItem],
        **COMMON,
    ),
    Endpoint(
        path="/api/v1/device/{device_id}/rejected_logs",
        summary="List what was refused of a device",
        handler=rejected_logs,
        query=LogQuery,
        info=Listed[RejectedItem],
        **COMMON,
    ),
    Endpoint(
        path="/api/v1/device/{device_id}/data_logs",
        summary="List a device's custom data",
        handler=data_logs,
        query=LogQuery,
        info=Listed[DataItem],
        **COMMON,
    ),
)
