"""Settings `http.*`."""

from typing import Annotated, Literal

import msgspec

from thingstead.config.settings.declaring import about


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP port."""

    body_limit_bytes: Annotated[
        int,
        about(
            "Largest request body; a larger one is refused. Imports state a greater limit of their own.",
            "bytes",
            ge=1024,
            le=1 << 30,
        ),
    ] = 1 << 20
    head_timeout_s: Annotated[
        float,
        about("How long a request line and its headers may take to arrive.", "seconds", ge=1, le=3600),
    ] = 20.0
    body_timeout_s: Annotated[float, about("How long a request body may take to arrive.", "seconds", ge=1, le=3600)] = (
        30.0
    )
    keep_alive_timeout_s: Annotated[
        int, about("How long a connection may stay open between two requests.", "seconds", ge=1, le=3600)
    ] = 75
    max_connections: Annotated[
        int,
        about(
            "Open HTTP connections; for one more the one that is idle the longest is closed, or it is closed itself.",
            "connections",
            ge=1,
        ),
    ] = 10_000
    malformed_json_status: Annotated[
        Literal[404, 400],
        about("HTTP status that answers a body which is not JSON: 404 as the reference documents it, or 400."),
    ] = 404
    cors_origins: Annotated[
        tuple[str, ...],
        about("Origins (`https://app.example.com`) whose pages may call the API from a browser; `*` admits all."),
    ] = ()
    hsts_max_age_s: Annotated[
        int,
        about(
            "For how long browsers that opened the console over TLS are told to use nothing else for this host"
            " (`Strict-Transport-Security`); 0 does not tell them.",
            "seconds",
            ge=0,
            le=63_072_000,
        ),
    ] = 0
    trusted_proxies: Annotated[
        tuple[str, ...],
        about(
            "Addresses and networks (`10.0.0.0/8`) of reverse proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` or"
            " `Forwarded` is believed; those of others are ignored."
        ),
    ] = ()
    metrics_token: Annotated[
        str,
        about(
            "Bearer token of `/metrics`, asked of everyone. Without one only programs on this machine may read it, and"
            " nobody where `trusted_proxies` is set.",
            secret=True,
        ),
    ] = ""
    certificate_failures_max: Annotated[
        int,
        about(
            "Wrong device certificates, over HTTP, MQTT and TCP, and DeviceKeys that lead to none, of one address"
            " within the window, before more of them are throttled.",
            "failures",
            ge=1,
        ),
    ] = 100
    certificate_project_failures_max: Annotated[
        int,
        about(
            "DeviceKeys of one project that lead to no certificate, from any addresses; an address from which one led"
            " to one before still may ask.",
            "failures",
            ge=1,
        ),
    ] = 1_000
    certificate_window_s: Annotated[int, about("The window of these two.", "seconds", ge=1, le=86_400)] = 60
    certificates_once: Annotated[
        bool,
        about(
            "Whether a device that asks by its DeviceKey gets its certificate only until it has connected or reported"
            " for the first time."
        ),
    ] = False
    auto_create_per_minute_max: Annotated[
        int, about("Devices of one project that may be auto-created in a minute.", "devices", ge=1)
    ] = 600
    auto_create_devices_max: Annotated[
        int,
        about(
            "Devices of one project of types with auto-create; beyond it no device is auto-created.",
            "devices",
            ge=0,
        ),
    ] = 100_000
