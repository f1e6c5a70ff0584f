"""Many devices in one call."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.model import limits
from thingstead.model.roles import OPERATOR
from thingstead.services.registry.imports import ImportRow
from thingstead.wire.imports import ImportInfo

IMPORT_BODY_BYTES = 16 * 1024 * 1024


class ImportBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new devices. An invalid row is refused alone."""

    devices: Annotated[
        list[msgspec.Raw],
        Meta(
            max_length=limits.IMPORT_ROWS,
            extra_json_schema={
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": msgspec.json.schema(ImportRow)["$defs"]["ImportRow"]["properties"],
                }
            },
        ),
    ]


async def import_devices(call: ApiCall) -> ImportInfo:
    """Creates up to 10,000 devices in one call. A row with a known `device_key` creates nothing and returns the id of
    that device, so a call can be repeated; rows without a key create a device each time. In both cases the device is
    added to the groups of the row."""
    rows = await call.platform.devices.import_rows(call.caller.project_id, call.body.devices)
    counts = {"created": 0, "exists": 0, "refused": 0}
    for row in rows:
        counts[row.result] += 1
    return ImportInfo(items=rows, **counts)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/devices_import",
        summary="Create several devices",
        handler=import_devices,
        role=OPERATOR,
        tag="Devices",
        body=ImportBody,
        wide_integers=True,
        info=ImportInfo,
        extension=True,
        body_limit_bytes=IMPORT_BODY_BYTES,
    ),
)
