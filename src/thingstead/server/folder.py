"""The data folder: its layout, initialization and lock."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import TextIO

from thingstead.errors import ConfigError, Conflict, ThingsteadError, Unavailable
from thingstead.storage.transient import is_transient

DATABASE = "thingstead.sqlite"
UNFINISHED = "thingstead.sqlite.new"  # left behind by an interrupted initialization
LOCK = "lock"
CREDENTIALS = "credentials.json"  # of the first project, if there was no terminal to print them to
LOCAL_SOCKET = "admin.sock"  # of the server that works on the folder, for commands
BACKUPS = "backups"  # made before a migration
_COMPANIONS = ("-wal", "-shm", "-journal")


class DataFolder:
    """A folder that only its owner can read and that one process at a time may use.

    It is initialized if it contains :data:`DATABASE`. That file is created under another name, synced and renamed, so
    that it is complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locked = contextlib.ExitStack()

    @property
    def database(self) -> Path:
        """Path of the database file."""
        return self.path / DATABASE

    @property
    def unfinished(self) -> Path:
        """Path of the database file while the folder is being prepared."""
        return self.path / UNFINISHED

    @property
    def initialized(self) -> bool:
        """Whether the folder contains a database.

        Raises:
            ConfigError: it is not a folder, cannot be read, or has other contents.
        """
        try:
            names = {entry.name for entry in os.scandir(self.path)}
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise self._unusable(exc) from exc
        if DATABASE in names:
            return True
        strange = sorted(name for name in names if not _may_stand_beside(name))
        if strange:
            raise ConfigError(
                f"{self.path} is not a data folder of Thingstead, and is not empty: it holds {strange[0]}"
            )
        return False

    def create(self) -> None:
        """Creates the folder if needed, with permissions for its owner only."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as exc:
            raise self._unusable(exc) from exc

    def lock(self) -> "DataFolder":
        """Locks the folder for this process until the end of a ``with`` block or of the process.

        The folder itself is locked as well as the file with the owner's pid: deleting that file does not unlock the
        folder.

        Raises:
            FolderInUse: another process has locked it.
            ConfigError: the folder cannot be written.
            Unavailable: it cannot be written now.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = _opened(stack, self.path, os.O_RDONLY | os.O_DIRECTORY)
                lock_file = _opened(stack, self.path / LOCK, os.O_RDWR | os.O_CREAT)
                try:
                    _lock_folder(folder)
                    fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    owner = os.pread(lock_file, 32, 0).decode("ascii", "replace").strip() or "unknown"
                    message = f"the data folder {self.path} is in use by a running server (pid {owner})"
                    raise FolderInUse(message) from exc
            except OSError as exc:
                raise self._unusable(exc) from exc
            with contextlib.suppress(OSError):  # only informative; on a full disk the server starts without it
                os.ftruncate(lock_file, 0)
                os.pwrite(lock_file, b"%d\n" % os.getpid(), 0)
            stack.callback(os.ftruncate, lock_file, 0)
            self._locked = stack.pop_all()
        return self

    def __enter__(self) -> "DataFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._locked.close()

    def begin_database(self) -> Path:
        """Creates an empty temporary database file for the owner only. SQLite gives its additional files the same
        permissions."""
        for suffix in ("", *_COMPANIONS):
            self.unfinished.with_name(UNFINISHED + suffix).unlink(missing_ok=True)
        try:
            os.close(os.open(self.unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as exc:
            raise self._unusable(exc) from exc
        return self.unfinished

    def finish_database(self) -> None:
        """Renames the temporary database, which must be closed, to :data:`DATABASE`, in one durable step."""
        for suffix in _COMPANIONS:
            if self.unfinished.with_name(UNFINISHED + suffix).exists():
                raise RuntimeError("the database is still open: what it holds would be lost")
        self.unfinished.rename(self.database)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard_database(self) -> None:
        """Deletes the database: undoes an initialization."""
        for suffix in ("", *_COMPANIONS):
            self.database.with_name(DATABASE + suffix).unlink(missing_ok=True)

    def write_credentials(self, text: str) -> Path:
        """Writes :data:`CREDENTIALS` durably, readable by its owner only. Raises ConfigError if that fails."""
        path = self.path / CREDENTIALS
        try:
            path.unlink(missing_ok=True)
            with open_private(path) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            raise self._unusable(exc) from exc
        return path

    def _unusable(self, exc: OSError) -> ThingsteadError:
        kind = Unavailable if is_transient(exc) else ConfigError
        return kind(f"the data folder {self.path} cannot be used: {exc.strerror or exc}")


def open_private(path: Path) -> TextIO:
    """Creates a text file that only its owner can read. Raises FileExistsError."""
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8", newline=""
    )


def _opened(stack: contextlib.ExitStack, path: Path, flags: int) -> int:
    """Opens a file descriptor that the stack closes."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _lock_folder(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # file systems that cannot lock folders
        return


class FolderInUse(Conflict):
    """The folder is in use by another process, named by its pid."""


def _may_stand_beside(name: str) -> bool:
    """Whether a file may exist in a folder that is about to be initialized: Thingstead's own files, hidden files, the
    configuration, and what file systems put into the root of a volume."""
    return (
        name.startswith((".", UNFINISHED))
        or name in {LOCK, CREDENTIALS, LOCAL_SOCKET, BACKUPS, "lost+found"}
        or name.endswith(".toml")
    )
