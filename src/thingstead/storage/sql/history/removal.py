"""Deletes history on request: of an attribute at once, of a device in steps."""

from collections.abc import Sequence

from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history.totals import projects_of, take_blocks

BLOCKS_PER_DELETE = 500
ROWS_PER_DELETE = 250
# Messages before their alarms: a cascade would delete any number of them in one step.
_TABLES = ("events", "commands", "alarm_logs", "alarms", "notify_logs", "notices")


def remove_blocks(connection: Connection, number: int, identifiers: Sequence[str]) -> bool:
    """Deletes some blocks of these attributes. Returns whether there may be more: the caller repeats it, so that no
    transaction takes long."""
    condition = (
        "device_number = ?1 AND (identifier, first_ts) IN (SELECT identifier, first_ts FROM block"
        " WHERE device_number = ?1 AND identifier IN (SELECT value FROM json_each(?2)) LIMIT ?3)"
    )
    parameters = (number, to_json(identifiers), BLOCKS_PER_DELETE)
    taken = take_blocks(connection, projects_of(connection, [number]), condition, parameters)
    return len(taken) == BLOCKS_PER_DELETE


def remove_device(connection: Connection, number: int) -> None:
    """Deletes a device's state within the transaction that deletes the device, and marks its other data for
    :func:`drop_step`.

    The other data are not accessible any more, because numbers and ids of devices are never reused. Open commands and
    alarms, which reads over all devices would find, end here.
    """
    device_id = connection.execute(
        "INSERT INTO removed_devices (number, project_id, device_id)"
        " SELECT number, project_id, id FROM devices WHERE number = ? RETURNING device_id",
        (number,),
    ).fetchone()[0]
    for table in ("spool", "device_state"):
        connection.execute(f"DELETE FROM {table} WHERE device_number = ?", (number,))  # noqa: S608 - ours
    connection.execute("DELETE FROM commands WHERE device_id = ? AND open = 1", (device_id,))
    connection.execute(
        "UPDATE alarms SET cleared_at = raised_at WHERE device_id = ? AND cleared_at IS NULL", (device_id,)
    )


def drop_step(connection: Connection, number: int | None = None) -> bool:
    """Deletes some data of one removed device, or of any. Returns False if there is no such device.

    A step deletes at most ``BLOCKS_PER_DELETE`` blocks or ``ROWS_PER_DELETE`` rows of one table. The mark is deleted
    last.
    """
    which = "" if number is None else " WHERE number = ?"
    sql = f"SELECT number, project_id, device_id FROM removed_devices{which} LIMIT 1"  # noqa: S608 - ours
    row = connection.execute(sql, () if number is None else (number,)).fetchone()
    if row is None:
        return False
    number, project_id, device_id = row
    condition = (
        "device_number = ?1 AND (identifier, first_ts) IN"
        " (SELECT identifier, first_ts FROM block WHERE device_number = ?1 LIMIT ?2)"
    )
    if len(take_blocks(connection, {number: project_id}, condition, (number, BLOCKS_PER_DELETE))) == BLOCKS_PER_DELETE:
        return True
    for table in _TABLES if device_id else ():
        deleted = connection.execute(
            f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE device_id = ? LIMIT ?)",  # noqa: S608 - ours
            (device_id, ROWS_PER_DELETE),
        )
        if deleted.rowcount == ROWS_PER_DELETE:
            return True
    connection.execute("DELETE FROM removed_devices WHERE number = ?", (number,))
    return True
