"""Settings `functions.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class FunctionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Cloud functions in JavaScript."""

    workers: Annotated[
        int,
        about(
            "Processes that run functions; started with the first call. 0: functions are off.", "processes", ge=0, le=64
        ),
    ] = 1
    time_limit_ms: Annotated[
        int,
        about(
            "Time that a function may compute; also the longest delay of a report by all its functions together.",
            "milliseconds",
            ge=1,
            le=10_000,
        ),
    ] = 50
    hang_limit_ms: Annotated[
        int,
        about(
            "Longest run of a function by the clock, where the engine could not stop it; then its process is killed.",
            "milliseconds",
            ge=100,
            le=60_000,
        ),
    ] = 500
    queue_max_calls: Annotated[
        int,
        about("Calls of functions that wait; one project may have half of them.", "calls", ge=10, le=1_000_000),
    ] = 10_000
    queue_max_bytes: Annotated[int, about("The same in bytes.", "bytes", ge=1 << 20, le=1 << 32)] = 32 << 20
    wait_max_s: Annotated[
        float,
        about("Longest wait of a call that delays no report.", "seconds", ge=0.1, le=3600),
    ] = 10.0
