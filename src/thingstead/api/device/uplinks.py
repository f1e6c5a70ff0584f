"""What a device sends over HTTP, and what it reads. Nothing is answered before it is on disk."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from thingstead.api.device.dialect import Done, Kept, Values, kept, nothing_kept
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.fields import Identifier
from thingstead.errors import InvalidInput, TooManyRequests
from thingstead.model import limits
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.ingest.streams import MAX_DATA_BYTES
from thingstead.services.shared.commits import RefusableCommit, settled
from thingstead.services.shared.device_logs import PARTS_REFUSED

TAG = "Device plane"
COMMON: Mapping[str, Any] = {"tag": TAG, "access": Access.DEVICE, "refusals": (TooManyRequests,)}
AttributesBody = Annotated[dict[str, Any], Meta(min_length=1, description="Values by attribute identifier.")]


class KeysQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes to read."""

    keys: Annotated[str, Meta(description="Identifiers, comma-separated; none: all.")] | None = None

    def names(self) -> list[str]:
        """The identifiers, without empty ones."""
        names = [name for name in (self.keys or "").split(",") if name]
        if len(names) > limits.KEYS_COUNT:
            raise InvalidInput.field("keys", "too_many_keys", maximum=limits.KEYS_COUNT)
        return names


class SeriesReport(msgspec.Struct, frozen=True, kw_only=True):
    """Values that the device measured at an earlier time."""

    ts: Annotated[float, Meta(description="When, in ms; below 100,000,000,000 in s.")]
    attributes: AttributesBody


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """An event."""

    method: Annotated[Identifier, Meta(description="The identifier of the event.")]
    params: dict[str, Any] = {}


async def report_attributes(call: ApiCall) -> bytes:
    """A flat object of attributes, which need no definition. A value that does not match the definition of the device's
    type is listed in `refused`; if all values are refused, so is the report. The answer means that the report is on
    disk."""
    return await _answered(call, "attributes", call.platform.ingest.report_attributes)


async def report_series(call: ApiCall) -> bytes:
    """Values with the device's own timestamps, one object or a list of up to 10,000. They are added to the history; a
    value becomes current only if its timestamp is greater than that of the current one."""
    return await _answered(call, "attributes/series", call.platform.ingest.report_series)


async def report_event(call: ApiCall) -> bytes:
    """Parameters of an event are not attributes and change none. One that does not match the definition of the event is
    listed in `refused`; if none remains, the event is refused."""
    return await _answered(call, "event/report", call.platform.ingest.report_event)


async def report_data(call: ApiCall) -> bytes:
    """The body is the message, byte for byte. If the device's type defines the stream, the body must match its
    format."""
    identifier = call.path["identifier"]
    streams = call.platform.streams
    return await _answered(call, f"data/{identifier}", lambda link, payload: streams.report(link, identifier, payload))


async def read_attributes(call: ApiCall) -> Values:
    """Plain values by identifier; attributes without a value are omitted."""
    return Values(attributes=await call.platform.history.current_values(call.device, call.query.names()))


async def _answered(call: ApiCall, topic: str, take: Callable[[DeviceContext, bytes], Outcome]) -> bytes:
    """Passes the body to ``take``, and answers when it is on disk. Refused parts are logged under ``topic``."""
    ingest = call.platform.ingest
    await ingest.await_room(call.device)
    link, trace = await ingest.link(call.device), call.platform.device_logs.trace
    if trace.wants(call.device):
        call.traced = True
        outcome = trace.up(
            call.device, "http", topic, call.body, None, lambda: take(link, call.body), lambda outcome: outcome
        )
    else:
        outcome = take(link, call.body)
    refused = outcome.refused
    if outcome.commit is None and refused:
        raise nothing_kept(refused)
    if outcome.commit is not None:
        await settled(outcome.commit)
        if isinstance(outcome.commit, RefusableCommit) and outcome.commit.refusal is not None:
            raise outcome.commit.refusal
    if refused:
        call.platform.device_logs.rejected(call.device, topic, PARTS_REFUSED, refused, call.body)
    return kept(refused)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/device/v1/{access_token}/attributes",
        summary="Report attributes",
        handler=report_attributes,
        body=AttributesBody,
        raw=True,
        info=Kept,
        topic="attributes",
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/device/v1/{access_token}/attributes",
        summary="Read the current values of attributes",
        handler=read_attributes,
        query=KeysQuery,
        info=Values,
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/device/v1/{access_token}/attributes/series",
        summary="Report past values of attributes",
        handler=report_series,
        body=list[SeriesReport] | SeriesReport,
        raw=True,
        info=Kept,
        topic="attributes/series",
        extension=True,
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/device/v1/{access_token}/event/report",
        summary="Report an event",
        handler=report_event,
        body=EventBody,
        raw=True,
        info=Done,
        topic="event/report",
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/device/v1/{access_token}/data/{identifier}",
        summary="Report custom data",
        handler=report_data,
        body=bytes,
        raw=True,
        info=Done,
        topic="data/{identifier}",
        extension=True,
        body_limit_bytes=MAX_DATA_BYTES,
        **COMMON,
    ),
)
