"""Upgrades of firmware (OTA): versions, their files, rollouts."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.automation.ota import OtaFileInfo, OtaRolloutInfo, OtaUpgradeInfo, OtaVersionInfo
from thingstead.wire.common import Created, Empty, Listed


def create_version(
    name: str,
    version_name: str,
    *,
    descr: str | None = None,
    module: str | None = None,
    types: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    from_versions: Sequence[str] | None = None,
    version_attribute: str | None = None,
    https: bool | None = None,
    enabled: bool | None = None,
    check_offers: bool | None = None,
) -> Call[Created]:
    """Creates a version; upload its file next."""
    body = members(
        name=name, version_name=version_name, descr=descr, module=module, types=types, devices=devices,
        from_versions=from_versions, version_attribute=version_attribute, https=https, enabled=enabled,
        check_offers=check_offers,
    )  # fmt: skip
    return Call("POST", "/ota_version", Created, body)


def list_versions(
    *, type: str | None = None, module: str | None = None, enabled: bool | None = None, keyword: str | None = None
) -> Listing[OtaVersionInfo]:
    """Oldest version first; all given filters must match."""
    query = {"type": type, "module": module, "enabled": enabled, "keyword": keyword}
    return Listing(Call("GET", "/ota_versions", Listed[OtaVersionInfo], query=query))


def read_version(version_id: str) -> Call[OtaVersionInfo]:
    """One version."""
    return Call("GET", f"/ota_version/{segment(version_id)}", OtaVersionInfo)


def update_version(
    version_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    types: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    from_versions: Sequence[str] | None = None,
    version_attribute: str | None = None,
    https: bool | None = None,
    enabled: bool | None = None,
    check_offers: bool | None = None,
    version: int | None = None,
) -> Call[OtaVersionInfo]:
    """Changes the given members."""
    body = members(
        name=name, descr=descr, types=types, devices=devices, from_versions=from_versions,
        version_attribute=version_attribute, https=https, enabled=enabled, check_offers=check_offers, version=version,
    )  # fmt: skip
    return Call("PUT", f"/ota_version/{segment(version_id)}", OtaVersionInfo, body)


def delete_version(version_id: str) -> Call[Empty]:
    """Removes a version with its file and its rollouts."""
    return Call("DELETE", f"/ota_version/{segment(version_id)}", Empty)


def upload(version_id: str, content: bytes, *, name: str | None = None, sha256: str | None = None) -> Call[OtaFileInfo]:
    """Uploads the file of a version."""
    query = {"name": name, "sha256": sha256}
    return Call("PUT", f"/ota_version/{segment(version_id)}/file", OtaFileInfo, content, query)


def roll_out(
    version_id: str,
    *,
    devices: Sequence[str] | None = None,
    filter: Mapping[str, Any] | None = None,
    total: int | None = None,
    name: str | None = None,
    waves: Sequence[int] | None = None,
    advance_percent: int | None = None,
    fail_percent: int | None = None,
    fail_least: int | None = None,
    timeout_ms: int | None = None,
    start: bool | None = None,
) -> Call[Created]:
    """Tells devices to upgrade, in waves: those with these ids, or the ``total`` that match a filter."""
    body = members(
        devices=devices, filter=filter, total=total, name=name, waves=waves, advance_percent=advance_percent,
        fail_percent=fail_percent, fail_least=fail_least, timeout_ms=timeout_ms, start=start,
    )  # fmt: skip
    return Call("POST", f"/ota_version/{segment(version_id)}/rollout", Created, body)


def list_rollouts(*, ota_version: str | None = None, state: str | None = None) -> Listing[OtaRolloutInfo]:
    """Newest rollout first; all given filters must match."""
    query = {"ota_version": ota_version, "state": state}
    return Listing(Call("GET", "/ota_rollouts", Listed[OtaRolloutInfo], query=query))


def read_rollout(rollout_id: str) -> Call[OtaRolloutInfo]:
    """One rollout with its progress."""
    return Call("GET", f"/ota_rollout/{segment(rollout_id)}", OtaRolloutInfo)


def start_rollout(rollout_id: str) -> Call[OtaRolloutInfo]:
    """Starts a rollout that was created without starting."""
    return Call("POST", f"/ota_rollout/{segment(rollout_id)}/start", OtaRolloutInfo)


def pause_rollout(rollout_id: str) -> Call[OtaRolloutInfo]:
    """Pauses a rollout."""
    return Call("POST", f"/ota_rollout/{segment(rollout_id)}/pause", OtaRolloutInfo)


def resume_rollout(rollout_id: str) -> Call[OtaRolloutInfo]:
    """Goes on with a paused rollout."""
    return Call("POST", f"/ota_rollout/{segment(rollout_id)}/resume", OtaRolloutInfo)


def end_rollout(rollout_id: str) -> Call[OtaRolloutInfo]:
    """Ends a rollout."""
    return Call("POST", f"/ota_rollout/{segment(rollout_id)}/end", OtaRolloutInfo)


def delete_rollout(rollout_id: str) -> Call[Empty]:
    """Removes a rollout that is over."""
    return Call("DELETE", f"/ota_rollout/{segment(rollout_id)}", Empty)


def rollout_devices(rollout_id: str, *, state: str | None = None) -> Listing[OtaUpgradeInfo]:
    """Devices of a rollout, by wave."""
    path = f"/ota_rollout/{segment(rollout_id)}/devices"
    return Listing(Call("GET", path, Listed[OtaUpgradeInfo], query={"state": state}))


def device_upgrades(device_id: str) -> Listing[OtaUpgradeInfo]:
    """Upgrades of a device, newest change first."""
    return Listing(Call("GET", f"/device/{segment(device_id)}/ota_upgrades", Listed[OtaUpgradeInfo]))
