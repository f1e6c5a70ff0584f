"""Settings `modbus.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class ModbusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to Modbus devices over their streams."""

    project_max_polled_devices: Annotated[
        int,
        about(
            "Connected devices of a project that the server sends Modbus requests to; 0: none.",
            "devices",
            ge=0,
            le=100_000,
        ),
    ] = 5_000
    project_polls_per_s: Annotated[
        int,
        about("Modbus polls of a project in a second; further ones are put off.", "polls", ge=1, le=100_000),
    ] = 500
