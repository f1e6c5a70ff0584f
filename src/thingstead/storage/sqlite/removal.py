"""Takes history away because somebody asked for it: an attribute's at once, a device's later, step by step."""

import sqlite3
from collections.abc import Sequence

from thingstead.storage.sqlite.hours import projects_of, take_blocks
from thingstead.storage.sqlite.layout import to_json

BLOCKS_PER_DELETE = 500


def remove_blocks(connection: sqlite3.Connection, number: int, identifiers: Sequence[str]) -> bool:
    """Deletes some blocks of attributes; whether there may be more. Many calls, so that no transaction takes long."""
    condition = (
        "device_number = ?1 AND (identifier, first_ts) IN (SELECT identifier, first_ts FROM block"
        " WHERE device_number = ?1 AND identifier IN (SELECT value FROM json_each(?2)) LIMIT ?3)"
    )
    parameters = (number, to_json(identifiers), BLOCKS_PER_DELETE)
    taken = take_blocks(connection, projects_of(connection, [number]), condition, parameters)
    return len(taken) == BLOCKS_PER_DELETE


def remove_device(connection: sqlite3.Connection, number: int) -> None:
    """Deletes a device's state, within the transaction that deletes the device, and marks its blocks to be dropped.

    Nobody can reach these any more: numbers of devices are never used again.
    """
    connection.execute(
        "INSERT INTO removed_devices (number, project_id) SELECT number, project_id FROM devices WHERE number = ?",
        (number,),
    )
    for table in ("spool", "device_state"):
        connection.execute(f"DELETE FROM {table} WHERE device_number = ?", (number,))  # noqa: S608 - ours
