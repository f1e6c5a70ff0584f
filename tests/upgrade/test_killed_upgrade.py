"""Killed between the steps of an upgrade: the data is there as it was or as it is to be, a backup is whole or gone, and
the next start upgrades."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.running import eventually
from tests.server_process import ServerProcess, StartServer, thingstead
from tests.upgrade.conftest import NEWEST, OLD, schema_version
from thingstead.storage.migrate import load_migrations
from thingstead.storage.sqlite.engine.schema import prepare


def killed_before_migrating(data: Path) -> None:
    """A server backs the folder up, cannot migrate it because somebody else holds the write lock, and is killed."""
    with closing(sqlite3.connect(data / "thingstead.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        server = ServerProcess(data)
        try:
            eventually(lambda: any(file.read_bytes().endswith(b"}\n") for file in data.glob("backups/*/manifest.json")))
        finally:
            server.kill()


def tables(database: Path) -> dict[str, int]:
    """The number of rows of each table."""
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names}


def test_a_kill_between_the_backup_and_the_migration_leaves_both_as_they_were(
    data: Path, start_server: StartServer
) -> None:
    killed_before_migrating(data)
    (backup,) = (data / "backups").iterdir()
    assert schema_version(data / "thingstead.sqlite") == schema_version(backup / "thingstead.sqlite") == OLD
    assert tables(data / "thingstead.sqlite") == tables(backup / "thingstead.sqlite")
    assert start_server(data).stop() == 0
    assert schema_version(data / "thingstead.sqlite") == NEWEST
    backups = list((data / "backups").iterdir())
    assert len(backups) == 2
    for each in backups:
        restored = data.parent / f"restored-{each.name}"
        assert thingstead("restore", each, "--data-dir", restored).returncode == 0
        assert schema_version(restored / "thingstead.sqlite") == OLD
    assert thingstead("check", "--data-dir", data).returncode == 0


def test_a_backup_that_was_cut_off_makes_room_for_the_next(data: Path, start_server: StartServer) -> None:
    """A server that is killed in each of its backups must not fill the disk with halves."""
    half = data / "backups" / f"schema-{OLD}-20260101T000000Z"
    half.mkdir(parents=True)
    (half / "thingstead.sqlite").write_bytes(b"half")
    own = data / "backups" / "by-hand"
    own.mkdir()
    (own / "notes.txt").write_text("an operator's")
    assert start_server(data).stop() == 0
    assert not half.exists()
    assert (own / "notes.txt").exists()
    (backup,) = (data / "backups").glob("schema-*")
    assert (backup / "manifest.json").exists()


def test_a_kill_between_two_migrations_goes_on_from_there(data: Path, start_server: StartServer) -> None:
    middle = (OLD + NEWEST) // 2
    prepare(data / "thingstead.sqlite", load_migrations("thingstead.storage.sqlite")[:middle])
    before = tables(data / "thingstead.sqlite")
    assert start_server(data).stop() == 0
    (backup,) = (data / "backups").iterdir()
    assert backup.name.startswith(f"schema-{middle}-")
    assert tables(backup / "thingstead.sqlite") == before
    assert schema_version(data / "thingstead.sqlite") == NEWEST
