"""Everything that happened to a device, in one order."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.project.control import command_members
from thingstead.api.project.device_logs import shown_entry
from thingstead.errors import InvalidInput, NotFound
from thingstead.model.command import Command
from thingstead.model.report import EventRecord
from thingstead.model.roles import VIEWER
from thingstead.services.diagnosis.message_log import KINDS, LoggedMessage, MessageKind
from thingstead.wire.control import CommandItem
from thingstead.wire.device_logs import ConnectionItem, DataItem, EventItem, RejectedItem
from thingstead.wire.diagnosis import MessageLog, MessageLogItem

MESSAGES_MAX_COUNT = 200  # entries of an answer


class MessageLogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are wanted."""

    before: Annotated[str, Meta(max_length=64, description="`next_before` of an earlier answer.")] = ""
    kinds: Annotated[str, Meta(description=f"Of {', '.join(KINDS)}, comma-separated; none: all.")] = ""
    limit: Annotated[int, Meta(ge=1, le=MESSAGES_MAX_COUNT)] = 50

    def wanted(self) -> list[MessageKind]:
        """The kinds."""
        names = [name for name in self.kinds.split(",") if name]
        wanted = [kind for kind in KINDS if kind in names or not names]
        if not set(names) <= set(KINDS):
            raise InvalidInput.field("kinds", "not_one_of", allowed=list(KINDS))
        return wanted


async def message_logs(call: ApiCall) -> MessageLog:
    """Events, commands (by their creation), custom data, connections and refused messages in one order, the newest
    first."""
    query: MessageLogQuery = call.query
    device = await call.platform.devices.get(call.caller.project_id, call.path["device_id"])
    page = await call.platform.message_log.read(device, query.wanted(), query.limit, query.before)
    return MessageLog(items=[_item(entry) for entry in page.entries], next_before=page.next_before or msgspec.UNSET)


def _item(message: LoggedMessage) -> MessageLogItem:
    ts, kind, entry = message
    if isinstance(entry, EventRecord):
        shown = EventItem(id=entry.id, method=entry.method, params=entry.params, ts=entry.ts)
        return MessageLogItem(ts=ts, kind=kind, event=shown)
    if isinstance(entry, Command):
        return MessageLogItem(ts=ts, kind=kind, command=CommandItem(**command_members(entry)))
    if kind == "data":
        return MessageLogItem(ts=ts, kind=kind, data=shown_entry(ts, entry.body, DataItem))
    if kind == "connection":
        return MessageLogItem(ts=ts, kind=kind, connection=shown_entry(ts, entry.body, ConnectionItem))
    return MessageLogItem(ts=ts, kind=kind, rejected=shown_entry(ts, entry.body, RejectedItem))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/message_logs",
        summary="List everything that happened to a device",
        handler=message_logs,
        query=MessageLogQuery,
        info=MessageLog,
        role=VIEWER,
        tag="Device logs",
        refusals=(NotFound,),
        extension=True,
    ),
)
