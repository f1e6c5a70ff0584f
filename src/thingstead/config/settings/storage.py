"""Settings `storage.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Storage on disk."""

    low_disk_bytes: Annotated[
        int,
        about(
            "Free disk space below which reports and events are refused; 0: never.",
            "bytes",
            ge=0,
        ),
    ] = 256 << 20
    backup_before_migration: Annotated[
        bool,
        about("Whether the data folder is backed up into its folder `backups` before a new release migrates it."),
    ] = True
    retention_days: Annotated[
        float,
        about("How long history is kept if no retention rule of its project applies; 0: for ever.", "days", ge=0),
    ] = 0
    history_max_bytes: Annotated[
        int,
        about("Size of the history of all projects; beyond it the oldest is dropped. 0: no limit.", "bytes", ge=0),
    ] = 0
    retention_grace_days: Annotated[
        float,
        about(
            "How long new retention rules that would drop history can be withdrawn before they take effect; 0: "
            "they take effect at once.",
            "days",
            ge=0,
            le=365,
        ),
    ] = 7
    project_history_max_bytes: Annotated[
        int,
        about(
            "Size of the history of one project; beyond it its oldest is dropped, whatever its rules. 0: no limit.",
            "bytes",
            ge=0,
        ),
    ] = 0
    project_daily_max_bytes: Annotated[
        int,
        about(
            "Reports, pushes and events, as JSON, that one project may store per day (UTC); further ones are "
            "refused with 429. 0: no limit.",
            "bytes",
            ge=0,
        ),
    ] = 0
    retention_interval_s: Annotated[
        float,
        about("Interval at which expired data is dropped.", "seconds", ge=1, le=86_400),
    ] = 300
    event_retention_days: Annotated[int, about("How long an event is kept; 0: for ever.", "days", ge=0)] = 365
    events_per_device_max: Annotated[int, about("Events kept per device, the newest; 0: no limit.", "events", ge=0)] = (
        100_000
    )
    command_retention_days: Annotated[int, about("How long an ended command is kept; 0: for ever.", "days", ge=0)] = 365
    commands_per_device_max: Annotated[
        int,
        about("Ended commands kept per device, the newest; 0: no limit.", "commands", ge=0),
    ] = 10_000
    alarm_retention_days: Annotated[
        int, about("How long a cleared alarm is kept, with its messages; 0: for ever.", "days", ge=0)
    ] = 365
    alarms_per_device_max: Annotated[
        int,
        about(
            "Cleared alarms kept per device, the newest, with their messages; 0: no limit.",
            "alarms",
            ge=0,
        ),
    ] = 10_000
    notice_retention_days: Annotated[
        int, about("How long a notice is kept, with the log of its attempts; 0: for ever.", "days", ge=0)
    ] = 90
    audit_retention_days: Annotated[
        int, about("How long a row of the audit log is kept; 0: for ever.", "days", ge=0)
    ] = 400
    audit_rows_max: Annotated[
        int, about("Rows of the audit log kept per project, the newest; 0: no limit.", "rows", ge=0)
    ] = 1_000_000
    notices_per_device_max: Annotated[
        int,
        about(
            "Notices kept per device after they were sent or given up, the newest; 0: no limit.",
            "notices",
            ge=0,
        ),
    ] = 10_000
