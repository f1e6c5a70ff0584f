"""Settings `app.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Applications that subscribe to a project."""

    max_subscriptions: Annotated[
        int, about("Topic filters that one application may subscribe to.", "filters", ge=1, le=1_000_000)
    ] = 1_000
    project_max_subscriptions: Annotated[
        int, about("The same for all applications of one project together.", "filters", ge=1, le=1_000_000)
    ] = 10_000
    queue_max_bytes: Annotated[
        int,
        about(
            "Messages queued for one application that reads slowly; beyond it the oldest are dropped.",
            "bytes",
            ge=65_536,
        ),
    ] = 1 << 20
    queues_max_bytes: Annotated[
        int,
        about(
            "The same for all applications together; the fuller it is, the smaller the equal share of each.",
            "bytes",
            ge=1 << 20,
        ),
    ] = 64 << 20
