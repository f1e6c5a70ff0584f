"""Settings `forwarding.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class ForwardingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Forwarding of messages to targets outside."""

    target_max_bytes: Annotated[
        int,
        about(
            "Messages that wait for one target, on disk; past it the oldest are given up.",
            "bytes",
            ge=1 << 20,
            le=1 << 40,
        ),
    ] = 1 << 30
    age_max_s: Annotated[
        int, about("How long a message waits for its target at most.", "seconds", ge=60, le=30 * 86_400)
    ] = 72 * 3600
    timeout_s: Annotated[int, about("Time-out for one batch.", "seconds", ge=1, le=60)] = 10
    wait_max_s: Annotated[
        float, about("Longest wait after failures, unless the target asks for more.", "seconds", ge=0.1, le=3600)
    ] = 300.0
