"""Validation of tasks: finds parts that could never act."""

import msgspec

from thingstead.errors import InvalidInput
from thingstead.model.limits import Problems
from thingstead.model.message_rules.rule_checks import check_action
from thingstead.model.tasks.task import BODY_BYTES, TaskAction, TaskSchedule
from thingstead.model.tasks.task_form import TaskForm
from thingstead.model.values.checking import valid_identifier


def check_form(form: TaskForm, problems: Problems) -> None:
    """Adds every problem of a task, but those of its cron expression and time zone and of what it refers to."""
    problems.name(form.name)
    problems.descr(form.descr)
    if bool(form.devices) is (form.filter is not None):
        problems.add("devices", "devices_or_filter")
    if form.filter is not None:
        try:
            form.filter.to_filter()
        except InvalidInput as exc:
            problems.errors += [each._replace(field=f"filter.{each.field}") for each in exc.errors]
    check_schedule(form.schedule, problems)
    _check_action(form.action, problems)


def check_schedule(schedule: TaskSchedule, problems: Problems) -> None:
    """Adds every problem of a schedule, but those of its cron expression and time zone."""
    if len(schedule.kinds) != 1:
        problems.add("schedule", "schedule_of_one_kind")
        return
    kind = schedule.kinds[0]
    place = {"latitude": schedule.latitude, "longitude": schedule.longitude}
    for name, value in place.items():
        if kind == "sun" and value is None:
            problems.add(f"schedule.{name}", "required")
        elif kind != "sun" and value is not None:
            problems.add(f"schedule.{name}", "goes_with", other="sun")
    if kind != "sun" and schedule.offset_ms:
        problems.add("schedule.offset_ms", "goes_with", other="sun")
    if kind == "at":
        for name in ("start_at", "end_at", "max_runs", "timezone"):
            if getattr(schedule, name):
                problems.add(f"schedule.{name}", "cannot_be_combined", other="at")
    elif schedule.end_at and schedule.end_at < schedule.start_at:
        problems.add("schedule.end_at", "at_least", minimum=schedule.start_at)


def _check_action(action: TaskAction, problems: Problems) -> None:
    if len(action.kinds) != 1:
        problems.add("action", "task_action_of_one_kind")
        return
    if action.function is None:
        check_action(action.plain(), "action", problems)
        for name in ("result", "identifier"):
            if getattr(action, name) != getattr(TaskAction(), name):
                problems.add(f"action.{name}", "goes_with", other="function")
    elif (action.result == "data") is not valid_identifier(action.identifier):
        problems.add("action.identifier", "stream_with_data")
    if _size(action) > BODY_BYTES:
        problems.add("action", "json_too_large", maximum=BODY_BYTES)


def _size(action: TaskAction) -> int:
    try:
        return len(msgspec.json.encode(action))
    except (OverflowError, UnicodeEncodeError, RecursionError):
        return BODY_BYTES + 1
