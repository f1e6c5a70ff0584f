"""Rebuilds the state of a device from its history when its state row is damaged."""

from collections.abc import Iterator

from thingstead.model.device import AttributeValue
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history.series import BlockStream, newest_points
from thingstead.storage.sql.history.spool import EVER, Unpacked


def identifiers_in_blocks(connection: Connection, number: int) -> Iterator[str]:
    """Attributes with blocks of a device, sorted; one index lookup for each."""
    identifier = ""
    while True:
        row = connection.execute(
            "SELECT identifier FROM block WHERE device_number = ? AND identifier > ? ORDER BY identifier LIMIT 1",
            (number, identifier),
        ).fetchone()
        if row is None:
            return
        identifier = row[0]
        yield identifier


def rebuild_current(connection: Connection, number: int) -> dict[str, AttributeValue]:
    """Newest point of each attribute in the blocks and the spool. If a point has a future timestamp, the value that was
    received last cannot be determined any more."""
    unpacked = Unpacked(connection, number, ())
    current = {}
    for identifier in unpacked.identifiers() | set(identifiers_in_blocks(connection, number)):
        blocks = BlockStream(connection, number, identifier, *EVER)
        points = newest_points(blocks, unpacked.newest_points(identifier, *EVER), 0, 1)
        if points:
            current[identifier] = AttributeValue(points[0].ts, points[0].value)
    return current
