"""No command, and no process of the server, imports what lies in the current folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from thingstead.storage.sql.access.database import Program
from thingstead.storage.sql.history.packing_worker import PackingWorker
from thingstead.storage.sqlite.engine import database

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("asyncio", "click", "json", "msgspec", "signal", "sqlite3", "structlog", "zstandard")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A current folder with modules that leave a trace where they are imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})")
    return tmp_path


def imported(folder: Path) -> str:
    trace = folder / "imported"
    return trace.read_text() if trace.exists() else ""


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_folder_would_be_imported_from(folder: Path) -> None:
    run(folder, sys.executable, "-c", "import click")
    assert "click" in imported(folder)


@pytest.mark.parametrize("arguments", [("--version",), ("check-config",), ("init", "--data-dir", "data", "--json")])
def test_a_command_imports_nothing_of_the_current_folder(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(folder, sys.executable, "-m", "thingstead", *arguments)
    assert (done.returncode, done.stderr, imported(folder)) == (0, "", "")


def test_scripts_start_the_server_without_the_current_folder() -> None:
    for script in ("env", "serve"):
        text = (ROOT / "script" / script).read_text(encoding="utf-8")
        assert len(re.findall("-P -m thingstead", text)) == len(re.findall("-m thingstead", text)) == 1


async def test_the_packing_process_imports_nothing_of_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.connect(folder / "history.db").close()
    monkeypatch.chdir(folder)
    worker = PackingWorker(Program("thingstead.storage.sqlite.packing", (str(folder / "history.db"),), {}))
    await worker.build([])
    running = worker._process is not None
    await worker.close()
    assert (running, imported(folder)) == (True, "")
