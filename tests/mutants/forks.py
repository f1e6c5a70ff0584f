"""Runs pytest in a fork of this process, which has imported everything but the project: that takes half the time."""

import contextlib
import gc
import importlib.metadata
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.copies import ROOT

OPTIONS = [
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
    "--hypothesis-seed=0",
    "--tb=line",
    "-o",
    "addopts=",
]
OPTIONS += [
    "--import-mode=importlib",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
]  # plugins are imported already
TICK_S = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int | None  # of pytest; None: it was killed after its time
    output: str


def warm_up() -> None:
    """Imports the plugins of pytest and what they and the tests need of others."""
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()
    for name in ("aiomqtt", "httpx", "msgspec", "structlog", "uvicorn", "uvloop", "websockets.server", "zstandard"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def run_pytest(root: Path, arguments: list[str], plugins: list[Any], log: Path, timeout_s: float) -> Ended:
    """In the copy of the project at ``root``; what pytest writes goes to ``log``."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os._exit(_pytest(root, arguments, plugins, log))
    deadline = time.monotonic() + timeout_s
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            code: int | None = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() > deadline:
            code = None
            break
        time.sleep(TICK_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # with what the tests started
    if code is None:
        os.waitpid(process, 0)
    return Ended(code, log.read_text(errors="replace") if log.exists() else "")


def _pytest(root: Path, arguments: list[str], plugins: list[Any], log: Path) -> int:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    output = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.chdir(root)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "thingstead")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path[:] = [str(root), str(root / "src"), *(entry for entry in sys.path if not _is_ours(entry))]
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])  # of processes that tests start
    basetemp = root.parent / "tmp"
    try:
        return int(pytest.main([*arguments, f"--basetemp={basetemp}"], plugins=plugins))
    except BaseException as error:  # noqa: BLE001 - a fork never returns into its parent's code
        print(f"pytest ended with {error!r}", file=sys.stderr)  # noqa: T201 - that is the log
        return 3
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _is_ours(entry: str) -> bool:
    return Path(entry or ".").resolve() in (ROOT, ROOT / "src")
