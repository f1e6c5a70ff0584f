"""An alarm rule in the form of the API. A rule with one level may give it as ``level``, ``raise`` and ``clear``."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model import limits
from thingstead.model.alarms.notification import Channel
from thingstead.model.alarms.rule import (
    DEVICES_COUNT,
    NOTIFY_COUNT,
    AlarmLevel,
    AlarmRule,
    Condition,
    Count,
    Delay,
    Level,
    RuleBody,
    Schedule,
)

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Descr = Annotated[str, Meta(max_length=limits.DESCR_LENGTH)]
TypeMember = Annotated[str, Meta(description="A device type's id: the rule watches all its devices.")]
DevicesMember = Annotated[
    tuple[str, ...], Meta(max_length=DEVICES_COUNT, description="Device ids: the rule watches these alone.")
]
LevelMember = Annotated[AlarmLevel, Meta(description="1 normal (普通), 2 serious (严重), 3 urgent (紧急).")]
LevelsMember = Annotated[
    tuple[Level, ...],
    Meta(max_length=3, description="In place of `level`, `raise` and `clear`: several levels. The highest counts."),
]
NotifyMember = Annotated[
    tuple[Channel, ...], Meta(max_length=NOTIFY_COUNT, description="Channels and groups of channels that get notices.")
]


class RuleForm(msgspec.Struct, frozen=True, kw_only=True, rename={"raise_": "raise"}):
    """An alarm rule. Its source is either `type` or `devices`; its condition either `raise` (with `clear` and `level`)
    or `levels`."""

    name: Name
    descr: Descr = ""
    type: TypeMember | None = None
    devices: DevicesMember = ()
    enabled: bool = True
    level: LevelMember = 1
    raise_: Condition | UnsetType = UNSET
    clear: (
        Annotated[
            Condition, Meta(description="Clears the alarm; default: `raise`, with its deadbands, no longer holds.")
        ]
        | UnsetType
        | None
    ) = UNSET
    levels: LevelsMember | UnsetType | None = UNSET
    raise_delay_ms: Annotated[Delay, Meta(description="How long `raise` must hold.")] = 0
    clear_delay_ms: Annotated[Delay, Meta(description="How long `clear` must hold.")] = 0
    raise_count: Annotated[Count, Meta(description="For how many consecutive values `raise` must hold, too.")] = 1
    clear_count: Annotated[Count, Meta(description="For how many consecutive values `clear` must hold, too.")] = 1
    cool_down_ms: Annotated[Delay, Meta(description="No new alarm for this long after one has cleared.")] = 0
    schedule: Schedule | UnsetType | None = UNSET
    notify: NotifyMember = ()

    @property
    def flat(self) -> bool:
        """Whether its only level is given as members of the rule itself."""
        return not self.levels

    def body(self) -> RuleBody:
        """The part of the rule that is evaluated. Requires ``raise`` or ``levels``."""
        if self.levels:
            levels = tuple(sorted(self.levels, key=lambda level: level.level))
        else:
            assert isinstance(self.raise_, Condition), "whoever calls has checked that"
            levels = (Level(level=self.level, raise_=self.raise_, clear=self.clear or None),)
        return RuleBody(
            levels=levels,
            raise_delay_ms=self.raise_delay_ms,
            clear_delay_ms=self.clear_delay_ms,
            raise_count=self.raise_count,
            clear_count=self.clear_count,
            cool_down_ms=self.cool_down_ms,
            schedule=self.schedule or None,
        )


class RulePatch(msgspec.Struct, frozen=True, kw_only=True, rename={"raise_": "raise"}):
    """Changes of a rule; members that are left out stay unchanged, null removes a value."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    type: TypeMember | UnsetType | None = UNSET
    devices: DevicesMember | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    level: LevelMember | UnsetType = UNSET
    raise_: Condition | UnsetType | None = UNSET
    clear: Condition | UnsetType | None = UNSET
    levels: LevelsMember | UnsetType | None = UNSET
    raise_delay_ms: Delay | UnsetType = UNSET
    clear_delay_ms: Delay | UnsetType = UNSET
    raise_count: Count | UnsetType = UNSET
    clear_count: Count | UnsetType = UNSET
    cool_down_ms: Delay | UnsetType = UNSET
    schedule: Schedule | UnsetType | None = UNSET
    notify: NotifyMember | UnsetType | None = UNSET
    version: (
        Annotated[
            int,
            Meta(
                ge=1, description="Extension: the `version` that was read; where it is another one by now, errcode 409."
            ),
        ]
        | UnsetType
    ) = UNSET


def form_of(rule: AlarmRule, notify: tuple[Channel, ...]) -> RuleForm:
    """The form that creates an equal rule."""
    body = rule.body
    members: dict[str, Any] = {
        name: getattr(body, name)
        for name in ("raise_delay_ms", "clear_delay_ms", "raise_count", "clear_count", "cool_down_ms")
    }
    if len(body.levels) == 1:
        level = body.levels[0]
        members |= {"level": level.level, "raise_": level.raise_, "clear": level.clear or UNSET}
    else:
        members["levels"] = body.levels
    return RuleForm(
        name=rule.name,
        descr=rule.descr,
        type=rule.type_id,
        devices=rule.device_ids,
        enabled=rule.enabled,
        schedule=body.schedule or UNSET,
        notify=notify,
        **members,
    )


def patched(form: RuleForm, patch: RulePatch) -> RuleForm:
    """The form with a patch applied. A source or condition given in one form replaces the other form."""
    given = {name: getattr(patch, name) for name in RuleForm.__struct_fields__ if getattr(patch, name) is not UNSET}
    if given.get("devices") and "type" not in given:
        given["type"] = None
    if given.get("type") and "devices" not in given:
        given["devices"] = ()
    if given.get("levels"):
        given |= {name: UNSET for name in ("raise_", "clear") if name not in given}
    elif given.get("raise_") and "levels" not in given:
        given["levels"] = UNSET
    defaults = {field.name: field.default for field in msgspec.structs.fields(RuleForm)}
    members = {name: defaults[name] if value is None else value for name, value in given.items()}
    return msgspec.structs.replace(form, **members)
