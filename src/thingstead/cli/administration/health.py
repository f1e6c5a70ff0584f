"""The state of an installation, for ``status`` and ``doctor``. Nothing is changed, and nothing is migrated."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import click
import msgspec

from thingstead import __version__
from thingstead.cli.administration.operator import Operator
from thingstead.config import Config
from thingstead.errors import ThingsteadError
from thingstead.server.backups import migration_ahead
from thingstead.server.folder import CREDENTIALS, DataFolder
from thingstead.server.local.calls import NodeState, ProjectRow
from thingstead.server.local.client import is_running
from thingstead.wire.server import ServerInfo

SOON_MS = 14 * 86_400_000  # before a certificate expires
FEW_FILES = 4_096  # open files of a server; each connection is one


class Check(NamedTuple):
    """One line of the doctor."""

    check: str
    state: Literal["ok", "warn", "bad"]
    text: str  # what was found, and what to do


class ServerFacts(NamedTuple):
    """What a running server says."""

    server: ServerInfo
    projects: list[ProjectRow]


def ask_server(config: Config) -> ServerFacts | None:
    """The state of the server of a data folder; None if none runs. Raises ThingsteadError if it does not answer."""
    if not (config.database or DataFolder(config.data_path).initialized) or not is_running(config):
        return None
    operator = Operator(config, None)
    projects: list[ProjectRow] = operator.run("projects", list[ProjectRow])
    one = Operator(config, projects[0].id)
    return ServerFacts(msgspec.convert(one.call("GET", "/server"), ServerInfo), projects)


def ask_node(config: Config) -> NodeState | None:
    """The state of the node of a data folder; None if none runs. Raises ThingsteadError if it does not answer."""
    return Operator(config, None).run("node", NodeState) if is_running(config) else None


def checks(config: Config) -> Iterator[Check]:
    """Every check, in the order in which things depend on each other."""
    yield from _folder(config)
    try:
        running = ask_server(config)
    except ThingsteadError as exc:
        yield Check("server", "bad", exc.message)
        return
    if running is None:
        yield Check("server", "warn", "no server runs on this data folder; start it with thingstead serve")
        yield from _stopped(config)
        return
    yield from _server(running.server)
    yield from _files(config)


def _folder(config: Config) -> Iterator[Check]:
    path = config.data_path
    try:
        initialized = DataFolder(path).initialized
    except ThingsteadError as exc:
        yield Check("data folder", "bad", exc.message)
        return
    if not initialized:
        yield Check("data folder", "bad", f"{path} is not initialized; thingstead serve or thingstead init does it")
        return
    found = path.stat()
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Check("data folder", "bad", f"others may enter {path}: chmod 700 {path}")
    elif found.st_uid != os.geteuid() and os.geteuid() != 0:
        yield Check("data folder", "bad", f"{path} belongs to another user; run this as that user or as root")
    else:
        yield Check("data folder", "ok", str(path))
    if (path / CREDENTIALS).exists():
        yield Check("credentials", "warn", f"{path / CREDENTIALS} holds keys in plain text: store them, then remove it")


def _stopped(config: Config) -> Iterator[Check]:
    folder = DataFolder(config.data_path)
    if not folder.initialized:
        return
    pending = migration_ahead(folder)
    if pending is None:
        yield Check("schema", "ok", f"this release, {__version__}, can open it")
    else:
        yield Check("schema", "warn", f"the next start migrates it from version {pending[0]} to {pending[1]}")


def _server(server: ServerInfo) -> Iterator[Check]:
    if server.version == __version__:
        yield Check("server", "ok", f"release {server.version}, up for {server.uptime_s:,} s")
    else:
        yield Check("server", "warn", f"release {server.version} runs, {__version__} is installed: restart the server")
    yield Check("storage", "bad", server.trouble) if server.trouble else Check("storage", "ok", "data can be stored")
    free = f"{server.disk_free_bytes:,} bytes free of {server.disk_total_bytes:,}"
    scarce = server.disk_free_bytes < max(2 * server.low_disk_bytes, server.disk_total_bytes // 20)
    yield Check("disk", "warn" if scarce else "ok", free)
    yield from (Check(warning.code, "warn", warning.message) for warning in server.warnings)
    now_ms = server.started_at + server.uptime_s * 1000
    for port in server.ports:
        until = port.certificate_until
        if until is not None and until - now_ms < SOON_MS:
            day = datetime.fromtimestamp(until / 1000, UTC).date()
            yield Check("certificate", "warn", f"that of {port.setting} expires on {day}: renew it, and reload")


def _files(config: Config) -> Iterator[Check]:
    """The limit of open files of the running server, on Linux."""
    try:
        pid = int((config.data_path / "lock").read_text(encoding="ascii"))
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    except (OSError, ValueError):
        return
    soft = next((line.split()[3] for line in limits.splitlines() if line.startswith("Max open files")), "")
    if soft.isdigit():
        few = int(soft) < FEW_FILES
        advice = ": every connection is one; raise LimitNOFILE or ulimit -n" if few else ""
        yield Check("open files", "warn" if few else "ok", f"at most {int(soft):,}{advice}")


def coloured(state: str) -> str:
    """The word of a state, in its colour on a terminal."""
    return click.style(state.ljust(4), fg={"ok": "green", "warn": "yellow", "bad": "red"}[state])
