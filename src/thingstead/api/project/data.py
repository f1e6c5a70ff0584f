"""Device data (设备数据): attributes with their current values, and their history."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import KeysBody, PageNumber
from thingstead.errors import Forbidden, NotFound
from thingstead.model import limits
from thingstead.model.device import Page
from thingstead.model.roles import ADMIN, VIEWER
from thingstead.wire.history import AttributeItem, SeriesItem

TAG = "Device data"


class AttributesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The instant of the values."""

    at: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=limits.INSTANT_MS,
                description="Extension: an instant in ms; the answer has the newest point of each attribute at "
                "or before it. Default: the current values.",
            ),
        ]
        | None
    ) = None


class SeriesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The time range and the page. A range needs both `start_time` and `end_time`; one alone is ignored."""

    page: PageNumber = 1
    page_records: Annotated[int, Meta(ge=1, le=limits.SERIES_PAGE_RECORDS, description="Points per page.")] = (
        limits.PAGE_RECORDS_DEFAULT
    )
    start_time: Annotated[float, Meta(description="The earliest instant, in ms.")] | None = None
    end_time: Annotated[float, Meta(description="The latest instant, in ms; at most 30 days later.")] | None = None


async def attributes(call: ApiCall) -> list[AttributeItem]:
    """Attributes that the device's type defines come first, in the order of the definition, with their `model`;
    then all others by identifier, without `model`. A defined attribute that never had a value has `value` null and `ts`
    0. The current value is the one with the greatest device timestamp."""
    query: AttributesQuery = call.query
    scope = call.caller.scope
    if query.at is not None and scope is not None and "history" not in scope.reads:
        raise Forbidden("outside_token_scope")
    items: list[AttributeItem] = await call.platform.history.list_attributes(
        call.caller.project_id, call.path["device_id"], None if query.at is None else int(query.at)
    )
    return items


async def series(call: ApiCall) -> list[SeriesItem]:
    """Newest point first. Without a time range, pages count from the newest point."""
    query: SeriesQuery = call.query
    points: list[SeriesItem] = await call.platform.history.series(
        call.caller.project_id,
        call.path["device_id"],
        call.path["identifier"],
        Page(number=query.page, records=query.page_records),
        start_time=query.start_time,
        end_time=query.end_time,
    )
    return points


async def remove_attributes(call: ApiCall) -> None:
    """Removes the current values and the whole history. Unknown identifiers are ignored; definitions of the type
    stay."""
    await call.platform.history.remove_attributes(call.caller.project_id, call.path["device_id"], call.body.keys)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/attributes",
        scoped="attributes",
        summary="Read a device's attributes and their current values",
        handler=attributes,
        role=VIEWER,
        tag=TAG,
        query=AttributesQuery,
        large=lambda call: call.query.at is not None,
        info=list[AttributeItem],
        refusals=(NotFound,),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/attribute/{identifier}/series",
        scoped="history",
        summary="Read the history of an attribute",
        handler=series,
        role=VIEWER,
        tag=TAG,
        query=SeriesQuery,
        large=lambda call: call.query.page > 1,
        info=list[SeriesItem],
        refusals=(NotFound,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device/{device_id}/attributes_remove",
        summary="Remove attributes of a device",
        handler=remove_attributes,
        role=ADMIN,
        tag=TAG,
        body=KeysBody,
        refusals=(NotFound,),
    ),
)
