"""A rollout (升级任务): one version for many devices, in waves; and the upgrade of each device."""

from typing import Any, Literal, NamedTuple, get_args

import msgspec

RolloutState = Literal["preparing", "created", "running", "paused", "done", "ended"]
PauseCode = Literal["", "person", "too_many_failed", "wave_unverified"]
UpgradeState = Literal[
    "waiting", "sent", "downloading", "finished", "verified", "failed", "timed_out", "skipped", "cancelled"
]  # fmt: skip
UPGRADE_STATES: tuple[UpgradeState, ...] = get_args(UpgradeState)
OPEN_STATES: tuple[UpgradeState, ...] = ("sent", "downloading", "finished")
FAILED_STATES: tuple[UpgradeState, ...] = ("failed", "timed_out")
# Why an upgrade failed, or was not begun; the texts are the console's.
UpgradeCode = Literal[
    "", "not_newer", "version_unknown", "not_comparable", "not_from_version", "not_of_version", "open_already",
    "refused", "reply", "version_unchanged", "timed_out",
]  # fmt: skip

ROLLOUTS_COUNT = 1_000  # in a project; the oldest that ended are removed
ROLLOUTS_OPEN_COUNT = 20  # of a project
WAVES_COUNT = 20  # of one rollout
WAVES = (1, 10, 50, 100)  # percent, if a rollout does not say
ADVANCE_PERCENT = 80
FAIL_PERCENT = 10
FAIL_LEAST = 5
TIMEOUT_MS = 24 * 3600 * 1000
TIMEOUT_LEAST_MS = 60_000
TIMEOUT_LONGEST_MS = 7 * 24 * 3600 * 1000
BLOCKED_MS = 24 * 3600 * 1000  # after two downloads in vain
DOWNLOADS_IN_VAIN = 2
TOKENS_OF_DEVICE_COUNT = 4  # newest links of one device that are valid
DETAIL_LENGTH = 200  # characters of a reply, or of a refusal


class OtaRollout(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout. Its devices are chosen when it is prepared, and do not change afterwards."""

    id: str
    project_id: str
    version_id: str
    name: str
    state: RolloutState = "preparing"
    pause_code: PauseCode = ""
    selection: dict[str, Any]  # {"devices": [ids]} or {"filter": DeviceFilter}
    starts: bool = True  # whether it starts when it is prepared
    waves: tuple[int, ...] = WAVES  # percent of the devices up to the end of each wave; ascending, the last is 100
    wave: int = 1  # the present one, from 1
    advance_percent: int = ADVANCE_PERCENT
    fail_percent: int = FAIL_PERCENT
    fail_least: int = FAIL_LEAST
    timeout_ms: int = TIMEOUT_MS
    total: int = 0  # devices
    excused_failed: int = 0  # failures when it was resumed, which do not pause it again …
    excused_concluded: int = 0  # … and upgrades that were over then
    create_time: int  # ms
    update_time: int  # ms
    start_time: int = 0  # ms; 0: not started
    end_time: int = 0  # ms; 0: not ended
    version: int = 1  # incremented by each change


class OtaRolloutFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of rollouts; unset members do not narrow it."""

    version_id: str | None = None
    state: RolloutState | None = None


class OtaUpgrade(msgspec.Struct, frozen=True, kw_only=True):
    """The upgrade of one device to one version, by a rollout or because it asked."""

    device_id: str
    version_id: str
    rollout_id: str = ""  # empty: the device asked
    project_id: str
    wave: int = 0  # of the rollout
    state: UpgradeState = "waiting"
    code: UpgradeCode = ""
    detail: str = ""
    from_version: str = ""
    bytes_served: int = 0
    downloads: int = 0  # that reached the end of the file
    sent_time: int = 0  # ms; 0: not sent
    due_time: int = 0  # ms
    blocked_until: int = 0  # ms
    cause: str = ""  # id of the message by which the device asked
    update_time: int  # ms


class ListedUpgrade(NamedTuple):
    """An upgrade in a list, with what people know its parts by."""

    upgrade: OtaUpgrade
    device_name: str
    version_name: str
    module: str
    size_bytes: int


class WaveCounts(NamedTuple):
    """Devices of one wave, by state."""

    wave: int
    counts: dict[UpgradeState, int]


class Served(NamedTuple):
    """What was served of a version to a device since the last note."""

    device_id: str
    version_id: str
    size_bytes: int
    downloads: int


def wave_ends(total: int, waves: tuple[int, ...]) -> list[int]:
    """How many of ``total`` devices belong to the waves up to each; at least one to the first, all to the last."""
    return [max(1 if total else 0, -(-total * percent // 100)) for percent in waves]
