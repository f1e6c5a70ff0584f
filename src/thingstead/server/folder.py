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
UNFINISHED = "thingstead.sqlite.new"  # what an initialization that did not come to its end leaves behind
LOCK = "lock"
CREDENTIALS = "credentials.json"  # of the first project, where nobody was there to read them
_COMPANIONS = ("-wal", "-shm", "-journal")


class DataFolder:
    """A folder, readable by its owner alone, that one process at a time works with.

    It is initialized exactly when it holds :data:`DATABASE`, which appears there complete: it is made under another
    name, synced and renamed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locked = contextlib.ExitStack()

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    @property
    def unfinished(self) -> Path:
        return self.path / UNFINISHED

    @property
    def initialized(self) -> bool:
        """Whether there is a platform in it.

        Raises:
            ConfigError: it is not a folder, cannot be read, or belongs to something else.
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
        """Makes the folder where it is missing and closes it to others."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as exc:
            raise self._unusable(exc) from exc

    def lock(self) -> "DataFolder":
        """Takes the folder for this process; released at the end of a ``with`` block, or with the process.

        The folder itself is locked, and the file in it that names the owner: who deletes that file frees nothing.

        Raises:
            FolderInUse: another process has it.
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
            with contextlib.suppress(OSError):  # the number is for people; on a full disk the server starts without it
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
        """An empty database file, closed to others, under the name of an unfinished one. SQLite gives the files that
        it makes beside a database the permissions of the database."""
        for suffix in ("", *_COMPANIONS):
            self.unfinished.with_name(UNFINISHED + suffix).unlink(missing_ok=True)
        try:
            os.close(os.open(self.unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as exc:
            raise self._unusable(exc) from exc
        return self.unfinished

    def finish_database(self) -> None:
        """Makes the unfinished database, which must be closed, the folder's own, in one durable step."""
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
        """Undoes an initialization."""
        for suffix in ("", *_COMPANIONS):
            self.database.with_name(DATABASE + suffix).unlink(missing_ok=True)

    def write_credentials(self, text: str) -> Path:
        """Writes :data:`CREDENTIALS`, for its owner alone, durably. Raises ConfigError where that cannot be done."""
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
    """A new file to write text into, readable by its owner only. Raises FileExistsError where there is one."""
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8", newline=""
    )


def _opened(stack: contextlib.ExitStack, path: Path, flags: int) -> int:
    """A descriptor, which the stack closes."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _lock_folder(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # of file systems that lock files alone
        return


class FolderInUse(Conflict):
    """Another process, named by its pid, works with the folder."""


def _may_stand_beside(name: str) -> bool:
    """Whether a file may be in a folder that is about to become a data folder: our own, hidden ones, the configuration
    and what a file system puts at the root of a volume."""
    return name.startswith((".", UNFINISHED)) or name in {LOCK, CREDENTIALS, "lost+found"} or name.endswith(".toml")
