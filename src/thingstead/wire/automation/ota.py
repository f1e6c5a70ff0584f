"""Answers about upgrades of firmware."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.ota.rollout import PauseCode, RolloutState, UpgradeCode, UpgradeState


class OtaFileInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The file of a version."""

    name: str
    size_bytes: int
    sha256: str
    md5: str
    upload_time: int  # ms
    damaged: bool


class OtaVersionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A version."""

    id: str
    name: str
    descr: str
    version_name: str
    module: str
    types: list[str]
    devices: list[str]
    from_versions: list[str]
    version_attribute: str
    https: bool
    enabled: bool
    check_offers: bool
    file: OtaFileInfo | UnsetType = UNSET  # absent: none was uploaded
    create_time: int  # ms
    update_time: int  # ms
    version: int


class OtaWaveProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The devices of one wave."""

    wave: int
    percent: int
    total: int
    counts: dict[UpgradeState, int]


class OtaRolloutInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout."""

    id: str
    name: str
    ota_version: str
    version_name: str
    module: str
    state: RolloutState
    pause_code: PauseCode
    selection: dict[str, Any]
    waves: list[int]
    wave: int
    advance_percent: int
    fail_percent: int
    fail_least: int
    timeout_ms: int
    total: int
    counts: dict[UpgradeState, int]
    progress: list[OtaWaveProgress]
    create_time: int  # ms
    start_time: int  # ms; 0: not started
    end_time: int  # ms; 0: not over
    version: int


class OtaUpgradeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The upgrade of one device."""

    device: str
    device_name: str
    ota_version: str
    version_name: str
    module: str
    rollout: str
    wave: int
    state: UpgradeState
    code: UpgradeCode
    detail: str
    from_version: str
    bytes_served: int
    size_bytes: int
    downloads: int
    cause: str
    sent_time: int  # ms; 0: not told yet
    due_time: int  # ms
    update_time: int  # ms
