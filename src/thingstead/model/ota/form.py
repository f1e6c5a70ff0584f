"""Versions of firmware and rollouts in the form of the API."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model import limits
from thingstead.model.limits import Problems
from thingstead.model.ota.rollout import (
    ADVANCE_PERCENT,
    FAIL_LEAST,
    FAIL_PERCENT,
    TIMEOUT_LEAST_MS,
    TIMEOUT_LONGEST_MS,
    TIMEOUT_MS,
    WAVES,
    WAVES_COUNT,
)
from thingstead.model.ota.version import (
    DEVICES_COUNT,
    FROM_VERSIONS_COUNT,
    MODULE_LENGTH,
    TYPES_COUNT,
    VERSION_NAME_LENGTH,
    is_version_text,
)

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Descr = Annotated[str, Meta(max_length=limits.DESCR_LENGTH)]
VersionName = Annotated[str, Meta(min_length=1, max_length=VERSION_NAME_LENGTH)]
Types = Annotated[
    tuple[str, ...],
    Meta(max_length=TYPES_COUNT, description="Ids of device types: it is for their devices. Empty: for every device."),
]
Devices = Annotated[
    tuple[str, ...],
    Meta(max_length=DEVICES_COUNT, description="Ids of devices: of its types, it is for these alone. Empty: for all."),
]
FromVersions = Annotated[
    tuple[VersionName, ...],
    Meta(
        max_length=FROM_VERSIONS_COUNT,
        description="Only devices that run one of these get it; `*`: any version. Empty: every older version.",
    ),
]
Attribute = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=limits.ID_PATTERN, description="The attribute in which devices report "
         "the version that they run."),
]  # fmt: skip
Https = Annotated[bool, Meta(description="Devices download it over TLS.")]
Enabled = Annotated[bool, Meta(description="If not, no device is told to upgrade, and its links do not work.")]
CheckOffers = Annotated[
    bool,
    Meta(description="A device that asks (`otaCheck`) gets it; if not, only devices that a rollout has reached."),
]


class OtaVersionForm(msgspec.Struct, frozen=True, kw_only=True):
    """A version."""

    name: Name
    descr: Descr = ""
    version_name: Annotated[
        VersionName, Meta(description="What a device reports when it runs it, such as `1.1.5`; cannot be changed.")
    ]
    module: Annotated[
        str, Meta(min_length=1, max_length=MODULE_LENGTH, description="The part of the device; cannot be changed.")
    ] = "main"
    types: Types = ()
    devices: Devices = ()
    from_versions: FromVersions = ()
    version_attribute: Attribute = "version"
    https: Https = False
    enabled: Enabled = True
    check_offers: CheckOffers = True


class OtaVersionPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a version; members that are left out stay unchanged."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    devices: Devices | UnsetType = UNSET
    from_versions: FromVersions | UnsetType = UNSET
    version_attribute: Attribute | UnsetType = UNSET
    https: Https | UnsetType = UNSET
    enabled: Enabled | UnsetType = UNSET
    check_offers: CheckOffers | UnsetType = UNSET
    version: (
        Annotated[int, Meta(ge=1, description="Extension: the `version` that was read; errcode 409 if it has changed.")]
        | UnsetType
    ) = UNSET


Percent = Annotated[int, Meta(ge=1, le=100)]


class OtaRolloutForm(msgspec.Struct, frozen=True, kw_only=True):
    """How a rollout goes on, and when it stops."""

    name: Annotated[str, Meta(max_length=limits.NAME_LENGTH, description="Default: the name of the version.")] = ""
    waves: Annotated[
        tuple[Percent, ...],
        Meta(
            min_length=1,
            max_length=WAVES_COUNT,
            description="Percent of the devices up to the end of each wave; ascending, the last is 100.",
        ),
    ] = WAVES
    advance_percent: Annotated[
        int, Meta(ge=0, le=100, description="The next wave begins when so many percent of the wave are verified.")
    ] = ADVANCE_PERCENT
    fail_percent: Annotated[
        int, Meta(ge=0, le=100, description="It pauses when more than so many percent failed …")
    ] = FAIL_PERCENT  # fmt: skip
    fail_least: Annotated[
        int, Meta(ge=1, le=limits.JOB_DEVICES_COUNT, description="… of at least so many upgrades that are over.")
    ] = FAIL_LEAST
    timeout_ms: Annotated[
        int,
        Meta(
            ge=TIMEOUT_LEAST_MS,
            le=TIMEOUT_LONGEST_MS,
            description="How long a device may take, the wait for its connection included.",
        ),
    ] = TIMEOUT_MS
    start: Annotated[bool, Meta(description="Whether it starts at once.")] = True


def check_version(form: OtaVersionForm, problems: Problems) -> None:
    """Adds every problem of a version, but those of what it refers to."""
    problems.name(form.name)
    problems.descr(form.descr)
    for field in ("version_name", "module"):
        if not is_version_text(getattr(form, field)):
            problems.add(field, "visible_ascii")
    for index, text in enumerate(form.from_versions):
        if not is_version_text(text):
            problems.add(f"from_versions[{index}]", "visible_ascii")


def check_rollout(form: OtaRolloutForm, problems: Problems) -> None:
    """Adds every problem of a rollout."""
    problems.text("name", form.name, limits.NAME_LENGTH)
    if list(form.waves) != sorted(set(form.waves)) or form.waves[-1] != 100:
        problems.add("waves", "waves_ascending")
