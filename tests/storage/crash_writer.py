"""A program that appends as fast as it can, packs all the time, and prints what is on disk, until it is killed.

``python -m tests.storage.crash_writer FILE FIRST SEED`` prints the timestamps that were committed, a line a commit.
"""

import asyncio
import random
import sys
from pathlib import Path

import structlog

from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history import flush as spooling
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sqlite.engine.database import SqliteDatabase

REPORTS_PER_COMMIT = 20


async def pack_always(history: SqlHistory, chance: random.Random) -> None:
    """Spools, and makes blocks, whole or not, without a pause."""
    while True:
        await history.packer.pack(whole=chance.random() < 0.3)
        await asyncio.sleep(0.001)


async def write(path: Path, first: int, seed: int) -> None:
    compaction.BLOCK_POINTS = 50
    spooling.CHUNK_POINTS = compaction.COMPACTION_POINTS = 100
    history = SqlHistory(SqliteDatabase(path), pack_points=200)
    await history.open()
    packing = asyncio.create_task(pack_always(history, random.Random(seed)))
    ts = first
    while not packing.done():
        timestamps = range(ts, ts + REPORTS_PER_COMMIT)
        for at in timestamps:
            commit = history.append(Report(1 + at % 2, at, at, {"x": at, "y": at / 10}))
            if at % 7 == 0:  # sent again, and so late that it is packed already
                history.append(Report(1 + at % 2, max(first, at - 1000) // 2 * 2 + at % 2, at, {"late": at}))
                commit = history.append(Report(1 + at % 2, at, at, {"x": at}))
        await settled(commit)
        print(*timestamps, flush=True)  # noqa: T201 - what the test reads
        ts += REPORTS_PER_COMMIT
    packing.result()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for the test
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
