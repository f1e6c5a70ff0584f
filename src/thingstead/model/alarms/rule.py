"""An alarm rule: its devices, conditions, delays, hours and channels."""

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from thingstead.model.alarms.notification import KeptChannel

AlarmLevel = Literal[1, 2, 3]  # 1 普通, 2 严重, 3 紧急
Op = Literal[">", ">=", "<", "<=", "==", "!=", "between", "change", "inside", "outside"]

DELAY_MS = 30 * 24 * 3600 * 1000  # the longest delay, silence and cool-down
COUNT = 1_000  # the greatest consecutive count
CONDITIONS_COUNT = 100  # nodes of the conditions of one rule, all levels together
CONDITION_DEPTH = 8
DEVICES_COUNT = 1_000  # that one rule names
NOTIFY_COUNT = 20  # channels and groups of one rule
HOURS_COUNT = 50  # entries of a schedule
POLYGON_POINTS = 200
RULES_COUNT = 10_000  # in a project
RADIUS_M = 20_000_000.0  # half of the circumference of the Earth

Delay = Annotated[int, Meta(ge=0, le=DELAY_MS)]
Count = Annotated[int, Meta(ge=1, le=COUNT)]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", description="`HH:MM`, or `24:00`.")]


class _RulePart(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True,
    rename={"and_": "and", "or_": "or", "not_": "not", "raise_": "raise", "from_": "from"},
):  # fmt: skip
    """A part of a rule. Unknown members are refused, because ignoring one would change the meaning of the rule."""


class MapPoint(_RulePart, frozen=True, kw_only=True):
    """A position in degrees north and east."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]


class Circle(_RulePart, frozen=True, kw_only=True):
    """The area within a distance of a position."""

    center: MapPoint
    radius_m: Annotated[float, Meta(gt=0, le=RADIUS_M)]


class Condition(_RulePart, frozen=True, kw_only=True):
    """One of: a comparison of an attribute (`attribute`, `op`, `value`), a geofence (`attribute`, `op`, and `circle` or
    `polygon`), silence (`no_data_ms`, of one `attribute` or of the device), absence (`offline_ms`), or `and`, `or`,
    `not` of other conditions."""

    attribute: Annotated[str, Meta(description="The identifier of an attribute.")] | None = None
    op: (
        Annotated[
            Op,
            Meta(
                description="`between` includes both bounds. `change`: the newest value differs from the "
                "previous one, by at least `value` if that is given. `inside` and `outside` are for positions "
                "(`map_point`)."
            ),
        ]
        | None
    ) = None
    value: (
        bool
        | int
        | float
        | str
        | Annotated[tuple[int | float, ...], Meta(description="For `between`: the lowest and the highest value.")]
        | None
    ) = None
    deadband: (
        Annotated[
            int | float,
            Meta(
                description="How far the value must return within the limit before an alarm without `clear` "
                "clears. For a circle: m."
            ),
        ]
        | None
    ) = None
    circle: Circle | None = None
    polygon: tuple[MapPoint, ...] | None = None
    no_data_ms: Annotated[int, Meta(ge=1, le=DELAY_MS, description="Nothing arrived for this long.")] | None = None
    offline_ms: Annotated[int, Meta(ge=1, le=DELAY_MS, description="No live session for this long.")] | None = None
    and_: tuple["Condition", ...] | None = None
    or_: tuple["Condition", ...] | None = None
    not_: "Condition | None" = None


class Level(_RulePart, frozen=True, kw_only=True):
    """The conditions that raise an alarm to a level and clear it."""

    level: AlarmLevel
    raise_: Condition
    clear: Condition | None = None  # None: clears when raise_, less its deadbands, no longer holds


class Hours(_RulePart, frozen=True, kw_only=True):
    """Hours of some days of the week. If `to` is not after `from`, they end on the next day."""

    days: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=7)], ...], Meta(description="1 Monday to 7 Sunday; empty: every day.")
    ] = ()
    from_: TimeOfDay
    to: TimeOfDay


class Schedule(_RulePart, frozen=True, kw_only=True):
    """When a rule may raise alarms. An open alarm clears at any hour."""

    timezone: Annotated[str, Meta(max_length=64, description="`+08:00`, or a name such as `Asia/Shanghai`.")] = "+00:00"
    hours: tuple[Hours, ...]


class RuleBody(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the evaluation of a rule depends on."""

    levels: tuple[Level, ...]
    raise_delay_ms: Delay = 0
    clear_delay_ms: Delay = 0
    raise_count: Count = 1
    clear_count: Count = 1
    cool_down_ms: Delay = 0
    schedule: Schedule | None = None


class AlarmRule(msgspec.Struct, frozen=True, kw_only=True):
    """A stored rule. Its source is either a device type or selected devices."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    type_id: str | None = None
    device_ids: tuple[str, ...] = ()
    enabled: bool = True
    disabled_devices: tuple[str, ...] = ()  # devices of the source on which the rule is disabled
    body: RuleBody
    channels: tuple[KeptChannel, ...] = ()  # the rule's own channels, in the order given
    group_ids: tuple[str, ...] = ()  # notification groups that get its notices, in the order given
    failing: str = ""  # the last stored reason why it cannot be evaluated on some device; empty: none
    create_time: int  # ms
    update_time: int  # ms
    version: int = 1  # incremented by each change


class RuleWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A warning about an attribute that a saved rule reads, such as one that no device reports."""

    attribute: str
    message: str
    code: str = ""  # of the message, in docs/refusals.md
    args: dict[str, Any] = {}  # values in its text


class AlarmRuleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of rules; unset members do not narrow it."""

    type_id: str | None = None
    device_id: str | None = None  # rules whose source includes this device, also by its type
    enabled: bool | None = None
    failing: bool | None = None
    keyword: str | None = None  # part of the name, case-insensitive


class RuleCounts(NamedTuple):
    """Counts of a rule's alarms for a list."""

    open_total: int = 0
    raised_last_day: int = 0


class RuleStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the alarms of a rule."""

    raised_total: int = 0
    cleared_total: int = 0
    open_total: int = 0
    acknowledged_total: int = 0  # of the open alarms
    raised_last_day: int = 0
    last_raised_at: int | None = None  # ms
    last_cleared_at: int | None = None  # ms
    mean_open_ms: int | None = None  # of the cleared alarms


def walk(condition: Condition) -> "list[Condition]":
    """A condition and all its descendants, parents first."""
    found = [condition]
    for each in found:
        found.extend(each.and_ or ())
        found.extend(each.or_ or ())
        if each.not_ is not None:
            found.append(each.not_)
    return found


def leaves(body: RuleBody) -> list[Condition]:
    """Every leaf condition of a rule."""
    return [
        each
        for level in body.levels
        for root in (level.raise_, level.clear)
        if root is not None
        for each in walk(root)
        if each.and_ is None and each.or_ is None and each.not_ is None
    ]


def attributes_of(body: RuleBody) -> frozenset[str]:
    """The identifiers of all attributes that a rule reads."""
    return frozenset(leaf.attribute for leaf in leaves(body) if leaf.attribute is not None)


def plain(part: msgspec.Struct) -> Any:
    """A part of a rule as plain JSON values."""
    return msgspec.to_builtins(part)
