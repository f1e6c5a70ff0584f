"""What is appended to history, and what a series shows."""

from typing import Any, Literal

import msgspec

from thingstead.model.device_type import DataType

Source = Literal["report", "push", "cloud", "import"]  # from the device; pushed to it; set in the cloud only; past points


class Report(msgspec.Struct, gc=False, array_like=True):
    """Attribute values of one device at one device timestamp, already checked against its type.

    Not frozen, since one is made for every message; nothing may change it once it is appended.
    """

    device_number: int
    ts: int  # ms, device time where the device gave one, else when it was received
    received_at: int  # ms, server time
    attributes: dict[str, Any]
    source: Source = "report"


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event as reported: ``method`` and ``params`` as on the wire."""

    id: str
    device_id: str
    method: str
    params: dict[str, Any] = {}
    ts: int  # ms


class SeriesPoint(msgspec.Struct, frozen=True, array_like=True):
    """One point of the history of one attribute."""

    ts: int  # ms
    value: Any


def json_type(value: Any) -> DataType:
    """The ``type`` of a series item and the inferred ``data_type`` of an undefined attribute.

    Booleans are ``switch``, objects with exactly ``lat`` and ``lng`` are ``map_point`` (wire reference §9.3, §15.39).
    """
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str) or value is None:
        return "text"
    if isinstance(value, list):
        return "list"
    return "map_point" if value.keys() == {"lat", "lng"} else "object"
