"""Settings `tasks.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks (任务), which do something to devices at an instant or again and again."""

    devices_per_second: Annotated[
        int,
        about("Devices of each project on which tasks act in a second.", "devices", ge=1, le=100_000),
    ] = 500
    kept_runs: Annotated[
        int, about("Runs of each task that are kept; older ones are removed.", "runs", ge=1, le=10_000)
    ] = 100
    kept_results: Annotated[
        int,
        about(
            "Results of each task that are kept, one for each device and run; runs beyond that are removed, but not "
            "the newest.",
            "results",
            ge=1_000,
            le=100_000_000,
        ),
    ] = 500_000
    kept_days: Annotated[int, about("How long runs are kept after their end.", "days", ge=1, le=3_650)] = 90
