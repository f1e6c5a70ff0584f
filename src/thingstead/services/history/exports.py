"""Exports the history of any number of devices into a table."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from thingstead.errors import NotFound
from thingstead.model.device import Device
from thingstead.services.history.tables import TableWriter
from thingstead.storage.base import Archive

RUN_POINTS = 10_000  # passed to the writer in one call


class Exported(NamedTuple):
    """Number of exported items."""

    devices: int
    points: int


def select_devices(
    archive: Archive, project_id: str | None, type_id: str | None, device_ids: Sequence[str]
) -> list[Device]:
    """The devices to export. Raises NotFound with the first of ``device_ids`` that is not among them."""
    devices = archive.devices(project_id, type_id, device_ids)
    missing = set(device_ids) - {device.id for device in devices}
    if missing:
        raise NotFound("no_such_device_named", device=min(missing))
    return devices


def export_history(
    archive: Archive,
    devices: Sequence[Device],
    writer: TableWriter,
    *,
    identifiers: Sequence[str] = (),
    start: int,
    end: int,
    progress: Callable[[Exported], None],
) -> Exported:
    """Writes the points in ``start <= ts <= end`` (ms): devices in the given order, then attributes, oldest first.
    Memory does not depend on the number of points.

    Args:
        identifiers: only these attributes; empty: all.
        progress: called after each device.
    """
    points = 0
    for number, device in enumerate(devices, 1):
        known = archive.identifiers(device.number)
        for identifier in known if not identifiers else sorted(set(known).intersection(identifiers)):
            for timestamps, values in _runs(archive, device.number, identifier, start, end):
                writer.write(device.id, device.device_key or "", identifier, timestamps, values)
                points += len(timestamps)
        progress(Exported(number, points))
    return Exported(len(devices), points)


def _runs(
    archive: Archive, number: int, identifier: str, start: int, end: int
) -> Iterator[tuple[list[int], list[Any]]]:
    """The points of a series in batches."""
    timestamps: list[int] = []
    values: list[Any] = []
    for more_timestamps, more_values in archive.points(number, identifier, start, end):
        timestamps += more_timestamps
        values += more_values
        if len(timestamps) >= RUN_POINTS:
            yield timestamps, values
            timestamps, values = [], []
    if timestamps:
        yield timestamps, values
