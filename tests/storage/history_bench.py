"""A history on one SQLite file, and what may happen to it between writing and reading."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sqlite.engine.database import Database, connect
from thingstead.storage.sqlite.engine.schema import prepare

HOURS_OF_BLOCKS = (
    "SELECT project_id, hour, sum(points), sum(bytes), sum(begins) FROM ("
    "SELECT device_number, last_ts / 3600000 AS hour, points, length(data) + length(identifier) + 24 AS bytes,"
    " 0 AS begins FROM block UNION ALL SELECT device_number, first_ts / 3600000, 0, 0, 1 FROM block)"
    " JOIN devices ON number = device_number GROUP BY 1, 2 ORDER BY 1, 2"
)


class Bench:
    """One file with two registered devices (numbers 1 and 2), closed and opened at will."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self) -> "Bench":
        prepare(self.path)
        self.database = Database(self.path)
        self.history = SqlHistory(self.database, pack_interval_s=3600)
        await self.history.open()
        return self

    async def close(self) -> None:
        await self.history.close()
        await self.database.close()

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def report(self, ts: int, number: int = 1, received_at: int = 5_000, **attributes: Any) -> None:
        await settled(self.history.append(Report(number, ts, received_at, attributes)))

    async def points(self, identifier: str, start: int = 0, end: int = 2**53, number: int = 1) -> list[tuple[int, Any]]:
        found = await self.history.series(number, identifier, start, end, offset=0, limit=10_000)
        return [(point.ts, point.value) for point in found]

    def hours(self) -> list[Any]:
        """What is counted of the blocks."""
        return self.database.reader.execute("SELECT * FROM history_hours ORDER BY 1, 2").fetchall()

    def hours_of_blocks(self) -> list[Any]:
        """The same, from the blocks."""
        return self.database.reader.execute(HOURS_OF_BLOCKS).fetchall()

    async def current(self, number: int = 1) -> dict[str, tuple[int, Any]]:
        return {name: (known.ts, known.value) for name, known in (await self.history.current(number)).items()}


def register_devices(path: Path) -> None:
    """A new file with the two devices."""
    path.write_bytes(_file_with_devices())


@cache
def _file_with_devices() -> bytes:
    """Made once: the migrations of a new file take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.db")
        prepare(path)
        connection = connect(path)
        connection.execute("PRAGMA foreign_keys=OFF")
        for number in (1, 2):
            connection.execute(
                "INSERT INTO devices (number, id, project_id, name, descr, tags, access_token, view_token, device_code,"
                " create_time, search_text) VALUES (?, ?, 'p', 'n', '', '{}', ?, ?, 'c', 0, '')",
                (number, f"device{number}", f"token{number}", f"view{number}"),
            )
        connection.close()
        return path.read_bytes()


Step = Callable[[Bench], Any]


async def leave(bench: Bench) -> None:
    """Nothing happens between writing and reading."""


async def pack(bench: Bench) -> None:
    await bench.history.packer.pack()


async def make_blocks(bench: Bench) -> None:
    await bench.history.packer.pack(whole=True)


async def settle_later(bench: Bench) -> None:
    await pack(bench)
    await bench.history.packer.compactor.compact(list(bench.history.heads._heads.values()))


async def restart(bench: Bench) -> None:
    await bench.reopen()


async def pack_and_restart(bench: Bench) -> None:
    await pack(bench)
    await restart(bench)
