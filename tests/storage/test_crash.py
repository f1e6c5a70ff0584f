"""Killed at any instant, while points move from the log into the spool and into blocks, none is lost or doubled."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.history_bench import Bench, register_devices
from thingstead.storage.sqlite.offline.check import check

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 4


def write_until_killed(path: Path, first: int, chance: random.Random) -> list[int]:
    """The timestamps that the program said to be on disk."""
    commits, seed = chance.randrange(20, 200), chance.randrange(2**32)
    command = [sys.executable, "-m", "tests.storage.crash_writer", str(path), str(first), str(seed)]
    acknowledged: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith("\n"):
                break
            acknowledged.extend(map(int, line.split()))
            commits -= 1
            if commits == 0:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was killed, and did not end by itself"
    return acknowledged


@pytest.mark.timeout(300)
async def test_nothing_acknowledged_is_lost_or_doubled_by_crashes(tmp_path: Path, chance: random.Random) -> None:
    path = tmp_path / "history.db"
    register_devices(path)
    acknowledged: set[int] = set()
    first = 0
    for _ in range(ROUNDS):
        acknowledged.update(write_until_killed(path, first, chance))
        bench = await Bench(path).open()
        kept = [point for number in (1, 2) for point in await bench.points("x", number=number)]
        timestamps = [ts for ts, _ in kept]
        assert len(set(timestamps)) == len(timestamps)
        assert acknowledged <= set(timestamps)
        assert all(ts == value for ts, value in kept)
        assert (await bench.current(2))["x"][0] >= max(ts for ts in acknowledged if ts % 2)
        wrong = [f"{finding.part}: {text}" for finding in check(path) for text in finding.problems]
        assert [text for text in wrong if "does not exist" not in text] == []  # projects, which are not there at all
        await bench.close()
        first = max(timestamps) + 1
