"""Settings `tracing.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class TracingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Traces of HTTP requests by OpenTelemetry."""

    otlp_endpoint: Annotated[
        str,
        about(
            "Address that takes traces by OTLP over HTTP (`http://collector:4318/v1/traces`); empty: none are made."
            " Needs `thingstead[tracing]`."
        ),
    ] = ""
    sample_ratio: Annotated[
        float,
        about("Part of the traces that is sent, chosen by the trace id; 1: all.", ge=0, le=1),
    ] = 1.0
