"""Totals of points and bytes of history by project and hour.

Kept in step with the blocks, in their transactions, so that nobody has to read all blocks to know how much there is,
where it begins, or how much would go with everything that ends before an instant.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from thingstead.storage.sql.access.connection import IN_NUMBERS, Connection
from thingstead.storage.sql.access.row_mapper import to_json

HOUR_MS = 3_600_000
COLUMNS = "device_number, identifier, first_ts, last_ts, points, length(data)"  # columns of a Piece
ROW_BYTES = 24  # size of a row of the table of blocks without texts


class Piece(NamedTuple):
    """A block as it counts in the totals."""

    device_number: int
    identifier: str
    first_ts: int
    last_ts: int
    points: int
    data_bytes: int

    @property
    def size_bytes(self) -> int:
        """Size of the row, with its identifier and key."""
        return self.data_bytes + len(self.identifier) + ROW_BYTES


def count(connection: Connection, project_of: dict[int, str], added: Iterable[Piece], removed: Iterable[Piece]) -> None:
    """Updates the totals for added and removed blocks. Blocks of devices without a project are ignored."""
    changes: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for sign, pieces in ((1, added), (-1, removed)):
        for piece in pieces:
            project_id = project_of.get(piece.device_number)
            if project_id is not None:
                end = changes[project_id, piece.last_ts // HOUR_MS]
                end[0] += sign * piece.points
                end[1] += sign * piece.size_bytes
                changes[project_id, piece.first_ts // HOUR_MS][2] += sign
    rows = [(*key, *change) for key, change in changes.items()]
    connection.executemany(
        "INSERT INTO history_hours (project_id, hour, points, bytes, begins) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (project_id, hour) DO UPDATE SET points = history_hours.points + excluded.points,"
        " bytes = history_hours.bytes + excluded.bytes, begins = history_hours.begins + excluded.begins",
        rows,
    )
    connection.executemany(
        "DELETE FROM history_hours WHERE project_id = ? AND hour = ? AND points <= 0 AND begins <= 0",
        [row[:2] for row in rows],
    )


def projects_of(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """Project of each of these devices that exists."""
    wanted = to_json(sorted(set(numbers)))
    return dict(connection.execute(f"SELECT number, project_id FROM devices WHERE number {IN_NUMBERS}", (wanted,)))  # noqa: S608 - ours


def take_blocks(
    connection: Connection, project_of: dict[int, str], condition: str, parameters: Iterable[object]
) -> list[Piece]:
    """Deletes blocks, and returns them as they counted in the totals. ``condition`` must be a constant text."""
    rows = connection.execute(
        f"DELETE FROM block WHERE {condition} RETURNING {COLUMNS}",  # noqa: S608
        tuple(parameters),
    )
    pieces = [Piece(*row) for row in rows.fetchall()]
    count(connection, project_of, (), pieces)
    return pieces
