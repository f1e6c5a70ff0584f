"""Versions of firmware (OTA 版本) and their files."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.errors import Conflict, InvalidInput, NotFound, TooLarge
from thingstead.model import limits
from thingstead.model.ota.form import OtaVersionForm, OtaVersionPatch
from thingstead.model.ota.version import MODULE_LENGTH, OtaVersion, OtaVersionFilter
from thingstead.model.roles import ADMIN, VIEWER
from thingstead.wire.automation.ota import OtaFileInfo, OtaVersionInfo
from thingstead.wire.common import Created, Listed

TAG = "Firmware"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}
VERSION: Mapping[str, Any] = {
    "name": "June release",
    "version_name": "1.1.5",
    "types": ["m4t8y1qz"],
    "from_versions": ["1.1.3", "1.1.4"],
}


class OtaVersionsQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    type: Annotated[str, Meta(description="Only those for devices of this type (id).")] | None = None
    module: Annotated[str, Meta(max_length=MODULE_LENGTH, description="Only of this module.")] | None = None
    enabled: Annotated[bool, Meta(description="1: only enabled versions, 0: only disabled ones.")] | None = None
    keyword: (
        Annotated[
            str, Meta(max_length=limits.KEYWORD_LENGTH, description="Part of the name or of the version, in any case.")
        ]
        | None
    ) = None


class OtaFileQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    name: Annotated[
        str, Meta(min_length=1, max_length=limits.NAME_LENGTH, description="Its name, as it ends the links.")
    ] = "fw.bin"
    sha256: Annotated[
        str, Meta(pattern="^([0-9A-Fa-f]{64})?$", description="The sha256 that it must have, in hexadecimal.")
    ] = ""


def _shown(call: ApiCall, version: OtaVersion) -> OtaVersionInfo:
    file = version.file
    members = {name: getattr(version, name) for name in OtaVersionInfo.__struct_fields__ if name != "file"}
    for name in ("types", "devices", "from_versions"):
        members[name] = list(members[name])
    return OtaVersionInfo(file=UNSET if file is None else _file(call, version), **members)


def _file(call: ApiCall, version: OtaVersion) -> OtaFileInfo:
    file = version.file
    assert file is not None, "whoever calls has checked that"
    return OtaFileInfo(
        name=file.name,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        md5=file.md5,
        upload_time=file.upload_time,
        damaged=call.platform.ota.versions.damaged(file),
    )


async def create_version(call: ApiCall) -> Created:
    """A version is for the devices of its `types` (default: all devices of the project), or for those of them that
    `devices` names. Upload its file next; until then no device gets it.

    A device gets a version that is newer than the one that it reports in its attribute `version_attribute`: numbers
    are compared as numbers, `1.10` is newer than `1.9`, and `1.1-beta` older than `1.1`. With `from_versions` it is
    only for devices that run one of these; a version that is equal, or cannot be compared, is only for devices whose
    version is named there. No device gets an older one."""
    version = await call.platform.ota.versions.create(call.caller.project_id, call.body)
    return Created(id=version.id, name=version.name)


async def versions(call: ApiCall) -> Listed[OtaVersionInfo]:
    """Oldest version first."""
    query: OtaVersionsQuery = call.query
    page = query.to_page()
    wanted = OtaVersionFilter(type_id=query.type, module=query.module, enabled=query.enabled, keyword=query.keyword)
    found, total = await call.platform.ota.versions.list_page(call.caller.project_id, wanted, page)
    return listed([_shown(call, each) for each in found], total, page)


async def version(call: ApiCall) -> OtaVersionInfo:
    """A version as it is stored."""
    return _shown(call, await call.platform.ota.versions.get(call.caller.project_id, call.path["ota_version_id"]))


async def update_version(call: ApiCall) -> OtaVersionInfo:
    """Absent members stay unchanged. `version_name`, `module` and the file cannot be changed: create another one."""
    project_id, version_id = call.caller.project_id, call.path["ota_version_id"]
    return _shown(call, await call.platform.ota.versions.update(project_id, version_id, call.body))


async def delete_version(call: ApiCall) -> None:
    """With its file, its rollouts and the record of what devices did with it. Its links stop working. Refused while a
    rollout of it is open."""
    await call.platform.ota.versions.delete(call.caller.project_id, call.path["ota_version_id"])


async def upload_file(call: ApiCall) -> OtaFileInfo:
    """The body is the file, as it is, and not a form that contains it; it is stored in pieces as it arrives. The answer
    has its sha256 and md5. The file of a version cannot be replaced."""
    query: OtaFileQuery = call.query
    if _header(call, b"content-type").lstrip().lower().startswith(b"multipart/"):
        raise InvalidInput("ota_file_in_form")
    limit = call.platform.ota.files.max_bytes
    if _length(call) > limit:
        raise TooLarge("ota_file_too_large", maximum=limit)
    project_id, version_id = call.caller.project_id, call.path["ota_version_id"]
    uploaded = await call.platform.ota.versions.upload(project_id, version_id, query.name, call.body, query.sha256)
    return _file(call, uploaded)


def _length(call: ApiCall) -> int:
    """The Content-Length; 0: none is given."""
    return int(_header(call, b"content-length") or 0)


def _header(call: ApiCall, wanted: bytes) -> bytes:
    """The value of a header; empty: it is not given."""
    return next((bytes(value) for name, value in call.scope["headers"] if name == wanted), b"")


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/ota_version",
        summary="Create a version of firmware",
        handler=create_version,
        role=ADMIN,
        body=OtaVersionForm,
        info=Created,
        refusals=(InvalidInput, Conflict),
        example=VERSION,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/ota_versions",
        summary="List versions of firmware",
        handler=versions,
        role=VIEWER,
        query=OtaVersionsQuery,
        info=Listed[OtaVersionInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/ota_version/{ota_version_id}",
        summary="Read a version of firmware",
        handler=version,
        role=VIEWER,
        info=OtaVersionInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/ota_version/{ota_version_id}",
        summary="Change a version of firmware",
        handler=update_version,
        role=ADMIN,
        body=OtaVersionPatch,
        read_only=OtaVersionInfo,
        info=OtaVersionInfo,
        refusals=(NotFound, InvalidInput, Conflict),
        example={"check_offers": False},
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/ota_version/{ota_version_id}",
        summary="Remove a version of firmware",
        handler=delete_version,
        role=ADMIN,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/ota_version/{ota_version_id}/file",
        summary="Upload the file of a version",
        handler=upload_file,
        role=ADMIN,
        body=bytes,
        streamed=True,
        query=OtaFileQuery,
        info=OtaFileInfo,
        refusals=(NotFound, InvalidInput, Conflict),
        **COMMON,
    ),
)
