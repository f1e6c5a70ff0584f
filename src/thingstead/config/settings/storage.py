"""Settings `storage.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept on disk."""

    low_disk_bytes: Annotated[
        int,
        about(
            "Free space on the disk under which reports and events are refused, before it is full; 0 never refuses.",
            "bytes",
            ge=0,
        ),
    ] = 256 << 20
    retention_days: Annotated[
        float,
        about("How long history is kept where a project has no rule of its own; 0 keeps it for ever.", "days", ge=0),
    ] = 0
    history_max_bytes: Annotated[
        int,
        about("History of all projects over which the oldest is dropped; 0 sets no bound.", "bytes", ge=0),
    ] = 0
    retention_grace_days: Annotated[
        float,
        about(
            "How long new rules that would drop history wait, so that they can be taken back; 0 lets them begin at"
            " once.",
            "days",
            ge=0,
            le=365,
        ),
    ] = 7
    project_history_max_bytes: Annotated[
        int,
        about(
            "History of one project over which its oldest is dropped, whatever its own rules allow; 0 sets no bound.",
            "bytes",
            ge=0,
        ),
    ] = 0
    project_daily_max_bytes: Annotated[
        int,
        about(
            "Reports, pushes and events that one project may have stored on a day (UTC), as JSON; more are refused with"
            " 429 until the next day. 0 sets no bound.",
            "bytes",
            ge=0,
        ),
    ] = 0
    retention_interval_s: Annotated[
        float,
        about("How often what is past its time is dropped.", "seconds", ge=1, le=86_400),
    ] = 300
    event_retention_days: Annotated[int, about("How long an event is kept; 0 keeps it for ever.", "days", ge=0)] = 365
    events_per_device_max: Annotated[
        int, about("Events of one device that are kept, the newest; 0 sets no bound.", "events", ge=0)
    ] = 100_000
    command_retention_days: Annotated[
        int, about("How long a command that has ended is kept; 0 keeps it for ever.", "days", ge=0)
    ] = 365
    commands_per_device_max: Annotated[
        int,
        about("Commands of one device that are kept after their end, the newest; 0 sets no bound.", "commands", ge=0),
    ] = 10_000
    alarm_retention_days: Annotated[
        int, about("How long an alarm that is cleared is kept, with its messages; 0 keeps it for ever.", "days", ge=0)
    ] = 365
    alarms_per_device_max: Annotated[
        int,
        about(
            "Alarms of one device that are kept after they cleared, the newest, with their messages; 0 sets no bound.",
            "alarms",
            ge=0,
        ),
    ] = 10_000
    notice_retention_days: Annotated[
        int, about("How long a notice is kept, with the log of its attempts; 0 keeps it for ever.", "days", ge=0)
    ] = 90
    notices_per_device_max: Annotated[
        int,
        about(
            "Notices of one device that are kept after they were sent or given up, the newest; 0 sets no bound.",
            "notices",
            ge=0,
        ),
    ] = 10_000
