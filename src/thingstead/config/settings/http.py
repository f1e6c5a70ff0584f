"""Settings `http.*`."""

from typing import Annotated, Literal

import msgspec

from thingstead.config.settings.declaring import about


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP port."""

    body_limit_bytes: Annotated[
        int,
        about(
            "Largest request body; a larger one is refused. Imports have a larger limit.",
            "bytes",
            ge=1024,
            le=1 << 30,
        ),
    ] = 1 << 20
    head_timeout_s: Annotated[
        float,
        about("Time-out for a request line and its headers.", "seconds", ge=1, le=3600),
    ] = 20.0
    body_timeout_s: Annotated[float, about("Time-out for a request body.", "seconds", ge=1, le=3600)] = 30.0
    keep_alive_timeout_s: Annotated[
        int, about("Longest idle time of a connection between two requests.", "seconds", ge=1, le=3600)
    ] = 75
    max_connections: Annotated[
        int,
        about(
            "Open HTTP connections; for one more the longest idle one is closed, or, if none is idle, the new one.",
            "connections",
            ge=1,
        ),
    ] = 10_000
    malformed_json_status: Annotated[
        Literal[404, 400],
        about("HTTP status for a body that is not JSON: 404, as in the reference, or 400."),
    ] = 404
    cors_origins: Annotated[
        tuple[str, ...],
        about("Origins (`https://app.example.com`) whose pages may call the API; `*` allows all."),
    ] = ()
    hsts_max_age_s: Annotated[
        int,
        about(
            "`max-age` of the header `Strict-Transport-Security` of the console over TLS; 0: no header.",
            "seconds",
            ge=0,
            le=63_072_000,
        ),
    ] = 0
    access_log: Annotated[
        bool,
        about("Whether every HTTP request of the API and the device API is logged, by its route without credentials."),
    ] = False
    trusted_proxies: Annotated[
        tuple[str, ...],
        about(
            "Addresses and networks (`10.0.0.0/8`) of reverse proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` or"
            " `Forwarded` is used; those of other addresses are ignored."
        ),
    ] = ()
    metrics_token: Annotated[
        str,
        about(
            "Bearer token of `/metrics`. Without one only programs on this machine may read it, and nobody if "
            "`trusted_proxies` is set.",
            secret=True,
        ),
    ] = ""
    certificate_failures_max: Annotated[
        int,
        about(
            "Wrong device certificates (HTTP, MQTT, TCP) and unknown DeviceKeys from one address within the "
            "window before further ones are throttled.",
            "failures",
            ge=1,
        ),
    ] = 100
    certificate_project_failures_max: Annotated[
        int,
        about(
            "Unknown DeviceKeys in one project, from any addresses, before addresses that never sent a known one "
            "are throttled.",
            "failures",
            ge=1,
        ),
    ] = 1_000
    certificate_window_s: Annotated[int, about("Time window of these two limits.", "seconds", ge=1, le=86_400)] = 60
    certificates_once: Annotated[
        bool,
        about(
            "Whether a device can request its certificate by its DeviceKey only until it connects or reports for "
            "the first time."
        ),
    ] = False
    auto_create_per_minute_max: Annotated[
        int, about("Auto-created devices per minute in one project.", "devices", ge=1)
    ] = 600
    auto_create_devices_max: Annotated[
        int,
        about(
            "Devices of one project of types with auto-create; beyond it no device is auto-created.",
            "devices",
            ge=0,
        ),
    ] = 100_000
