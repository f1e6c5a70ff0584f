"""A task (任务): its devices, its schedule, and what it does."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from thingstead.model.console.device_selection import DeviceSelection
from thingstead.model.message_rules.action import FUNCTION_LENGTH, Action, CommandAction, DataAction

Missed = Literal["skip", "once", "all"]
SunEvent = Literal["sunrise", "sunset"]
TaskResultKind = Literal["push", "command", "data"]
TaskActionKind = Literal["push", "command", "data", "function"]
TaskState = Literal["scheduled", "off", "ended"]

TASKS_COUNT = 1_000  # in a project
DEVICES_COUNT = 1_000  # that one task names; a filter has as many as a job may have
RUNS_WAITING_DEVICES = 1_000_000  # of a project, in runs that have not ended; a run beyond that fails
BODY_BYTES = 98_304  # of the action, as JSON: a function and what goes with it
CRON_LENGTH = 200
LATEST_MS = 32_503_680_000_000  # the year 3000: instants of schedules are before it
INTERVAL_LEAST_MS = 10_000
INTERVAL_MS = 366 * 24 * 3600 * 1000  # the longest interval
SUN_OFFSET_MS = 12 * 3600 * 1000  # before or after sunrise or sunset
RUNS_COUNT = 1_000_000  # that a task may be limited to
MISSED_COUNT = 100  # missed instants that are counted, and that ``all`` makes up for
MISSED_WITHIN_MS = 3_600_000  # how old a missed instant may be that ``once`` makes up for, if the task does not say
LATE_MS = 60_000  # a run that begins later than this after its instant was missed
PREVIEW_COUNT = 10  # instants of a preview


class TaskPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a task. Unknown members are refused, because ignoring one would change the meaning of the task."""


class TaskSchedule(TaskPart, frozen=True, kw_only=True):
    """When a task runs: one of `at`, `cron`, `every_ms` and `sun`."""

    at: Annotated[int, Meta(ge=0, le=LATEST_MS, description="Once, at this instant (ms since 1970, UTC).")] | None = (
        None
    )
    cron: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=CRON_LENGTH,
                description="A cron expression: minute, hour, day of the month, month, day of the week; also `@daily` "
                "and its like, `L`, `LW`, `5L`, `5#2`. Where both days are given, one of them must match.",
            ),
        ]
        | None
    ) = None
    every_ms: (
        Annotated[
            int,
            Meta(
                ge=INTERVAL_LEAST_MS,
                le=INTERVAL_MS,
                description="An interval in ms, whatever clocks do: from `start_at`, or from when the task was saved.",
            ),
        ]
        | None
    ) = None
    sun: (
        Annotated[
            SunEvent,
            Meta(description="With `latitude` and `longitude`: on every day on which the sun rises or sets there."),
        ]
        | None
    ) = None
    offset_ms: Annotated[
        int, Meta(ge=-SUN_OFFSET_MS, le=SUN_OFFSET_MS, description="With `sun`: so many ms later; negative: earlier.")
    ] = 0
    latitude: Annotated[float, Meta(ge=-90, le=90, description="With `sun`: degrees north.")] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180, description="With `sun`: degrees east.")] | None = None
    timezone: Annotated[
        str,
        Meta(
            max_length=64,
            description="The time zone of `cron`, such as `Europe/Berlin` or `+08:00`; default: that of the project "
            "when the task is saved.",
        ),
    ] = ""
    start_at: Annotated[int, Meta(ge=0, le=LATEST_MS, description="No run before this instant (ms).")] = 0
    end_at: Annotated[int, Meta(ge=0, le=LATEST_MS, description="No run after this instant (ms); 0: no end.")] = 0
    max_runs: Annotated[
        int, Meta(ge=0, le=RUNS_COUNT, description="No more scheduled runs than these; 0: no limit.")
    ] = 0

    @property
    def kinds(self) -> list[str]:
        """The kinds whose member is present; of a valid schedule one."""
        members = {"at": self.at, "cron": self.cron, "every_ms": self.every_ms, "sun": self.sun}
        return [name for name, value in members.items() if value is not None]


class TaskAction(TaskPart, frozen=True, kw_only=True):
    """What is done to each device: one of `push`, `command`, `data` and `function`."""

    push: Annotated[dict[str, Any], Meta(description="Attributes to store and to push to the device.")] | None = None
    command: CommandAction | None = None
    data: DataAction | None = None
    function: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=FUNCTION_LENGTH,
                description="A cloud function in JavaScript, `module.exports = function () {…}`, which is called for "
                "each device and returns what is done: see `result`. `null` or `{}`: nothing.",
            ),
        ]
        | None
    ) = None
    result: Annotated[
        TaskResultKind,
        Meta(
            description="With `function`, what it returns: attributes to push, a command `{method, params}`, or custom "
            "data `{type, msg}` for the stream `identifier`."
        ),
    ] = "push"
    identifier: Annotated[str, Meta(max_length=64, description="With `function` and `data`: the stream.")] = ""

    @property
    def kinds(self) -> list[TaskActionKind]:
        """The kinds whose member is present; of a valid action one."""
        members: dict[TaskActionKind, Any] = {
            "push": self.push, "command": self.command, "data": self.data, "function": self.function,
        }  # fmt: skip
        return [name for name, value in members.items() if value is not None]

    def plain(self) -> Action:
        """The same as an action of message rules, without a function."""
        return Action(push=self.push, command=self.command, data=self.data)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A stored task. Its devices are either named or selected by a filter."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    enabled: bool = True
    schedule: TaskSchedule
    device_ids: tuple[str, ...] = ()
    selection: DeviceSelection | None = None
    action: TaskAction
    missed: Missed = "once"
    missed_within_ms: int = MISSED_WITHIN_MS
    due_at: int = 0  # ms, the next planned instant; 0: none
    run_count: int = 0  # scheduled runs that began
    create_time: int  # ms
    update_time: int  # ms
    version: int = 1  # incremented by each change

    @property
    def state(self) -> TaskState:
        """What becomes of it: ``ended`` if it has no further instant."""
        if not self.enabled:
            return "off"
        return "scheduled" if self.due_at else "ended"


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of tasks; unset members do not narrow it."""

    enabled: bool | None = None
    keyword: str | None = None  # part of the name, case-insensitive
