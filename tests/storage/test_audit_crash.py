"""Killed at any instant, a change and its row of the audit log are both on disk, or neither is."""

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3


def write_until_killed(path: Path, lines: int) -> None:
    command = [sys.executable, "-m", "tests.storage.audit_writer", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for _, _ in zip(range(lines), process.stdout, strict=False):
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was killed, and did not end by itself"


@pytest.mark.timeout(120)
def test_a_change_and_its_row_are_both_there_or_neither_is(tmp_path: Path, chance: random.Random) -> None:
    path = tmp_path / "store.db"
    for _ in range(ROUNDS):
        write_until_killed(path, chance.randrange(3, 40))
        with closing(sqlite3.connect(path)) as connection:
            devices = {row for (row,) in connection.execute("SELECT id FROM devices")}
            of_rows = connection.execute("SELECT object_id FROM audit_logs WHERE action = 'create'").fetchall()
            reports = connection.execute("SELECT count(*) FROM report_log").fetchone()[0]
            pushes = connection.execute("SELECT count(*) FROM audit_logs WHERE action = 'cloud'").fetchone()[0]
        assert devices == {row for (row,) in of_rows}
        assert len(devices) == len(of_rows)
        assert pushes == reports
