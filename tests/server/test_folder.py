"""Which folders are data folders, and who may use one."""

import os
import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from thingstead.errors import ConfigError, Unavailable
from thingstead.server.folder import DataFolder, FolderInUse


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def finished(path: Path) -> DataFolder:
    folder = DataFolder(path)
    folder.create()
    with closing(sqlite3.connect(folder.begin_database())) as connection:
        connection.execute("CREATE TABLE x (y)")
    folder.finish_database()
    return folder


def test_a_missing_or_empty_folder_is_not_initialized(tmp_path: Path) -> None:
    assert not DataFolder(tmp_path / "absent").initialized
    assert not DataFolder(tmp_path).initialized


def test_a_new_folder_and_its_database_are_closed_to_others(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a" / "data")
    assert folder.initialized
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.database.stat().st_mode) == 0o600


def test_a_database_that_was_not_finished_does_not_count_and_is_made_anew(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.begin_database().write_text("half")
    Path(f"{folder.unfinished}-wal").write_text("half")
    assert not folder.initialized
    assert folder.begin_database().read_bytes() == b""
    assert names(tmp_path) == ["thingstead.sqlite.new"]


def test_a_database_that_is_still_open_is_not_finished(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with closing(sqlite3.connect(folder.begin_database())) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE x (y)")
        with pytest.raises(RuntimeError, match="still open"):
            folder.finish_database()
    folder.finish_database()
    assert folder.initialized


def test_a_folder_that_holds_something_else_is_refused_naming_it(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("x")
    with pytest.raises(ConfigError, match=r"not a data folder of Thingstead.*thesis\.doc"):
        _ = DataFolder(tmp_path).initialized
    assert names(tmp_path) == ["thesis.doc"]


def test_what_stands_at_the_root_of_a_volume_does_not_matter(tmp_path: Path) -> None:
    for name in ("lost+found", ".keep", "thingstead.toml", "lock"):
        (tmp_path / name).write_text("")
    assert not DataFolder(tmp_path).initialized


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("x")
    with pytest.raises(ConfigError, match="cannot be used: Not a directory"):
        _ = DataFolder(file).initialized
    with pytest.raises(ConfigError, match="cannot be used: File exists"):
        DataFolder(file).create()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        with pytest.raises(ConfigError, match="Permission denied"):
            _ = DataFolder(tmp_path).initialized
    finally:
        tmp_path.chmod(0o700)


def test_a_second_user_of_the_folder_is_refused_naming_the_first(tmp_path: Path) -> None:
    with (
        DataFolder(tmp_path).lock(),
        pytest.raises(FolderInUse, match=rf"in use by a running server \(pid {os.getpid()}\)"),
    ):
        DataFolder(tmp_path).lock()
    with DataFolder(tmp_path).lock():  # released by the end of the block
        pass


def test_the_folder_stays_taken_when_its_lock_file_is_deleted(tmp_path: Path) -> None:
    with DataFolder(tmp_path).lock():
        (tmp_path / "lock").unlink()
        with pytest.raises(FolderInUse, match="in use by a running server"):
            DataFolder(tmp_path).lock()
    with DataFolder(tmp_path).lock():
        pass


def test_a_disk_without_room_for_the_lock_is_no_wrong_configuration(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))  # no file can be opened
    try:
        with pytest.raises(Unavailable, match="cannot be used: Too many open files"):
            DataFolder(tmp_path).lock()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_folder_on_a_full_disk_can_be_taken(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # no file can grow
    try:
        with DataFolder(tmp_path).lock(), pytest.raises(FolderInUse):
            DataFolder(tmp_path).lock()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from thingstead.server.folder import DataFolder\n"
        "DataFolder(Path(sys.argv[1])).lock(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == 9
    with DataFolder(tmp_path).lock():
        pass


def test_the_rename_that_completes_a_folder_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, bool]] = []  # inode, and whether the database had its name by then
    fsync = os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, folder.database.exists()))

    folder = DataFolder(tmp_path / "data")
    folder.create()
    folder.begin_database()
    monkeypatch.setattr(os, "fsync", record)
    folder.finish_database()
    assert (folder.path.stat().st_ino, True) in synced
