"""Rollouts of firmware (升级任务), and the upgrades of devices."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.api.project.console.bulk_changes import SelectedDevices, SelectedFilter, SelectedTotal, SelectionBody
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.ota.form import OtaRolloutForm
from thingstead.model.ota.rollout import (
    UPGRADE_STATES,
    ListedUpgrade,
    OtaRollout,
    OtaRolloutFilter,
    RolloutState,
    UpgradeState,
    WaveCounts,
)
from thingstead.model.ota.version import OtaVersion
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.wire.automation.ota import OtaRolloutInfo, OtaUpgradeInfo, OtaWaveProgress
from thingstead.wire.common import Created, Listed

COMMON: Mapping[str, Any] = {"tag": "Firmware", "extension": True}
OF_UPGRADE = (
    "wave", "state", "code", "detail", "from_version", "bytes_served", "downloads", "cause", "sent_time", "due_time",
    "update_time",
)  # fmt: skip


class OtaRolloutBody(OtaRolloutForm, frozen=True, kw_only=True):
    """A rollout: its devices (`devices`, or `filter` with `total`), and how it goes on."""

    devices: SelectedDevices | None = None
    filter: SelectedFilter | None = None
    total: SelectedTotal | None = None


class OtaRolloutsQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    ota_version: Annotated[str, Meta(description="Only of this version (id).")] | None = None
    state: Annotated[RolloutState, Meta(description="Only in this state.")] | None = None


class OtaDevicesQuery(PageQuery, frozen=True, kw_only=True):
    """The page of the list."""

    state: Annotated[UpgradeState, Meta(description="Only devices in this state.")] | None = None


def _counts(waves: list[WaveCounts]) -> dict[UpgradeState, int]:
    """Devices in each state."""
    return {state: sum(wave.counts.get(state, 0) for wave in waves) for state in UPGRADE_STATES}


def _shown(
    rollout: OtaRollout, waves: list[WaveCounts], version: OtaVersion, *, progress: bool = False
) -> OtaRolloutInfo:
    by_wave = {each.wave: each for each in waves}
    return OtaRolloutInfo(
        id=rollout.id,
        name=rollout.name,
        ota_version=rollout.version_id,
        version_name=version.version_name,
        module=version.module,
        state=rollout.state,
        pause_code=rollout.pause_code,
        selection=rollout.selection if progress else {},
        waves=list(rollout.waves),
        wave=rollout.wave,
        advance_percent=rollout.advance_percent,
        fail_percent=rollout.fail_percent,
        fail_least=rollout.fail_least,
        timeout_ms=rollout.timeout_ms,
        total=rollout.total,
        counts=_counts(waves),
        progress=[
            OtaWaveProgress(
                wave=number,
                percent=percent,
                total=sum(by_wave[number].counts.values()) if number in by_wave else 0,
                counts=_counts([by_wave[number]] if number in by_wave else []),
            )
            for number, percent in enumerate(rollout.waves, 1)
            if progress
        ],
        create_time=rollout.create_time,
        start_time=rollout.start_time,
        end_time=rollout.end_time,
        version=rollout.version,
    )


def _shown_upgrade(listed_upgrade: ListedUpgrade) -> OtaUpgradeInfo:
    upgrade = listed_upgrade.upgrade
    return OtaUpgradeInfo(
        device=upgrade.device_id,
        device_name=listed_upgrade.device_name,
        ota_version=upgrade.version_id,
        version_name=listed_upgrade.version_name,
        module=listed_upgrade.module,
        rollout=upgrade.rollout_id,
        size_bytes=listed_upgrade.size_bytes,
        **{name: getattr(upgrade, name) for name in OF_UPGRADE},
    )


async def create_rollout(call: ApiCall) -> Created:
    """Tells devices to upgrade, in waves: `devices`, or all that match a `filter` (as the query of
    `GET /api/v1/devices`, with the expected `total`). A device is told by the command `otaUpgrade` with a link of its
    own; one that is offline, when it connects. Devices that run the version already, or that it is not for, are
    skipped.

    The next wave begins when `advance_percent` of the devices told so far report the new version. The rollout pauses
    when more than `fail_percent` of at least `fail_least` upgrades failed, or when all upgrades of a wave are over and
    too few are verified; `resume` goes on all the same. It survives a restart of the server."""
    body: OtaRolloutBody = call.body
    selection = SelectionBody(devices=body.devices, filter=body.filter, total=body.total).to_choice()
    rollout = await call.platform.ota.rollouts.create(
        call.caller.project_id,
        call.path["ota_version_id"],
        body,
        None if selection.device_filter is not None else selection.device_ids,
        selection.device_filter,
        selection.total,
    )
    return Created(id=rollout.id, name=rollout.name)


async def rollouts(call: ApiCall) -> Listed[OtaRolloutInfo]:
    """Newest rollout first, without `selection` and `progress`."""
    query: OtaRolloutsQuery = call.query
    page, project_id = query.to_page(), call.caller.project_id
    wanted = OtaRolloutFilter(version_id=query.ota_version, state=query.state)
    found, total = await call.platform.ota.rollouts.list_page(project_id, wanted, page)
    known = {each.version_id for each, _ in found}
    of_id = {each: await call.platform.ota.versions.get(project_id, each) for each in known}
    return listed([_shown(each, waves, of_id[each.version_id]) for each, waves in found], total, page)


async def rollout(call: ApiCall) -> OtaRolloutInfo:
    """A rollout, with its devices by state, in total (`counts`) and by wave (`progress`)."""
    return await _read(call)


async def _read(call: ApiCall) -> OtaRolloutInfo:
    project_id = call.caller.project_id
    found, waves = await call.platform.ota.rollouts.get(project_id, call.path["ota_rollout_id"])
    version = await call.platform.ota.versions.get(project_id, found.version_id)
    return _shown(found, waves, version, progress=True)


async def start(call: ApiCall) -> OtaRolloutInfo:
    """Starts a rollout that was created with `start` false."""
    await call.platform.ota.rollouts.start(call.caller.project_id, call.path["ota_rollout_id"])
    return await _read(call)


async def pause(call: ApiCall) -> OtaRolloutInfo:
    """No further device is told, and none of it gets the version by asking. It stays paused over a restart."""
    await call.platform.ota.rollouts.pause(call.caller.project_id, call.path["ota_rollout_id"])
    return await _read(call)


async def resume(call: ApiCall) -> OtaRolloutInfo:
    """Goes on. Upgrades that failed before do not pause it again; one that paused because too few devices of a wave
    were verified goes on with the next wave."""
    await call.platform.ota.rollouts.resume(call.caller.project_id, call.path["ota_rollout_id"])
    return await _read(call)


async def end(call: ApiCall) -> OtaRolloutInfo:
    """Devices that wait are cancelled; those that were told go on."""
    await call.platform.ota.rollouts.end(call.caller.project_id, call.path["ota_rollout_id"])
    return await _read(call)


async def delete_rollout(call: ApiCall) -> None:
    """Removes a rollout that is over, with the record of its devices."""
    await call.platform.ota.rollouts.delete(call.caller.project_id, call.path["ota_rollout_id"])


async def rollout_devices(call: ApiCall) -> Listed[OtaUpgradeInfo]:
    """By wave. A device that was removed is not listed any more."""
    query: OtaDevicesQuery = call.query
    page, project_id = query.to_page(), call.caller.project_id
    found, total = await call.platform.ota.rollouts.list_devices(
        project_id, call.path["ota_rollout_id"], query.state, page
    )
    return listed([_shown_upgrade(each) for each in found], total, page)


async def device_upgrades(call: ApiCall) -> Listed[OtaUpgradeInfo]:
    """Newest change first, by rollouts and because the device asked (`otaCheck`)."""
    query: PageQuery = call.query
    page = query.to_page()
    found, total = await call.platform.ota.rollouts.list_of_device(call.caller.project_id, call.path["device_id"], page)
    return listed([_shown_upgrade(each) for each in found], total, page)


def _verb(name: str, summary: str, handler: Any) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/v1/ota_rollout/{{ota_rollout_id}}/{name}",
        summary=summary,
        handler=handler,
        role=OPERATOR,
        info=OtaRolloutInfo,
        refusals=(NotFound, Conflict),
        **COMMON,
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/ota_version/{ota_version_id}/rollout",
        summary="Roll out a version",
        handler=create_rollout,
        role=OPERATOR,
        body=OtaRolloutBody,
        info=Created,
        refusals=(NotFound, InvalidInput, Conflict),
        example={"devices": ["k3v9x2ma"]},
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/ota_rollouts",
        summary="List rollouts",
        handler=rollouts,
        role=VIEWER,
        query=OtaRolloutsQuery,
        info=Listed[OtaRolloutInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/ota_rollout/{ota_rollout_id}",
        summary="Read a rollout with its progress",
        handler=rollout,
        role=VIEWER,
        info=OtaRolloutInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    _verb("start", "Start a rollout", start),
    _verb("pause", "Pause a rollout", pause),
    _verb("resume", "Resume a rollout", resume),
    _verb("end", "End a rollout", end),
    Endpoint(
        method="DELETE",
        path="/api/v1/ota_rollout/{ota_rollout_id}",
        summary="Remove a rollout",
        handler=delete_rollout,
        role=ADMIN,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/ota_rollout/{ota_rollout_id}/devices",
        summary="List the devices of a rollout",
        handler=rollout_devices,
        role=VIEWER,
        query=OtaDevicesQuery,
        info=Listed[OtaUpgradeInfo],
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/ota_upgrades",
        summary="List the upgrades of a device",
        handler=device_upgrades,
        role=VIEWER,
        query=PageQuery,
        info=Listed[OtaUpgradeInfo],
        refusals=(NotFound,),
        **COMMON,
    ),
)
