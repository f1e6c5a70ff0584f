"""A backup is the folder at one instant, and a restore gives it back or nothing."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict, NotAuthenticated, Unavailable
from thingstead.model.report import Report
from thingstead.server import Server, initialize, open_server
from thingstead.server.backups import MANIFEST, back_up, read_manifest, restore
from thingstead.server.folder import DATABASE
from thingstead.services.accounts.browser_sessions import Browser
from thingstead.services.registry.new_device import NewDevice
from thingstead.services.registry.projects import Credentials
from thingstead.services.shared.commits import settled
from thingstead.storage.sqlite.offline.backup import checksum


def silent(done: int, total: int) -> None:
    """Nobody watches."""


async def new_device(server: Server) -> tuple[str, str, int]:
    """Project, id and number of a new device."""
    [project] = await server.platform.projects.list_all()
    device = await server.platform.devices.create(project.id, NewDevice(name="a device"))
    return project.id, device.id, device.number


async def series(server: Server, project_id: str, device_id: str) -> list[tuple[int, Any]]:
    chart = await server.platform.aggregates.history(
        project_id, device_id, ["x"], start_time=0, end_time=10**12, points=10_000, method="minmax"
    )
    return list(zip(chart[0].timestamps, chart[0].values, strict=True))


def restored(config: Config, tmp_path: Path) -> Config:
    return msgspec.structs.replace(config, data_dir=str(tmp_path / "restored"))


async def test_a_restored_folder_serves_what_was_there(server: Server, config: Config, tmp_path: Path) -> None:
    project_id, device_id, number = await new_device(server)
    for ts in range(1, 500):
        commit = server.platform.ingest._store.history.append(Report(number, ts, ts, {"x": ts / 10}))
    await settled(commit)
    manifest = await asyncio.to_thread(back_up, config.data_path, tmp_path / "backup", silent)
    before = await series(server, project_id, device_id)
    server.platform.ingest._store.history.append(Report(number, 999, 1, {"x": 1}))
    await asyncio.to_thread(restore, tmp_path / "backup", tmp_path / "restored", silent)
    assert manifest.rows["devices"] == 1
    async with open_server(restored(config, tmp_path)) as copy:
        assert copy.credentials is None
        assert await series(copy, project_id, device_id) == before
        assert len(before) == 499


async def test_a_backup_during_writes_is_of_one_instant(server: Server, config: Config, tmp_path: Path) -> None:
    project_id, device_id, number = await new_device(server)
    begun, end = threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        begun.set()
        assert end.wait(30)

    backup = asyncio.create_task(asyncio.to_thread(back_up, config.data_path, tmp_path / "backup", hold))
    await asyncio.to_thread(begun.wait)
    for ts in range(2000):
        await settled(server.platform.ingest._store.history.append(Report(number, ts, 1, {"x": "x" * 1000})))
        if ts == 1500:
            end.set()
    await backup
    await asyncio.to_thread(restore, tmp_path / "backup", tmp_path / "restored", silent)
    async with open_server(restored(config, tmp_path)) as copy:
        kept = [ts for ts, _ in await series(copy, project_id, device_id)]
        assert kept == list(range(len(kept)))
        assert len(kept) < 1500


def test_a_backup_is_readable_by_its_owner_alone(config: Config, tmp_path: Path) -> None:
    asyncio.run(initialize(config))
    back_up(config.data_path, tmp_path / "backup", silent)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "backup").iterdir()}
    assert modes == {DATABASE: 0o600, MANIFEST: 0o600}
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700


def test_a_folder_that_is_not_empty_is_never_written(config: Config, tmp_path: Path) -> None:
    asyncio.run(initialize(config))
    back_up(config.data_path, tmp_path / "backup", silent)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(Conflict):
        back_up(config.data_path, tmp_path / "full", silent)
    with pytest.raises(Conflict):
        back_up(config.data_path, tmp_path / "backup", silent)
    with pytest.raises(ConfigError, match="not empty"):
        restore(tmp_path / "backup", tmp_path / "full", silent)
    with pytest.raises(Conflict, match="already"):
        restore(tmp_path / "backup", config.data_path, silent)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]
    with pytest.raises(ConfigError, match="nothing to back up"):
        back_up(tmp_path / "nowhere", tmp_path / "b", silent)


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", ["bit", "cut", "missing", "manifest", "rows", "format", "no manifest"])
def test_a_damaged_backup_is_refused_and_leaves_no_data_folder(config: Config, tmp_path: Path, harm: str) -> None:
    asyncio.run(initialize(config))
    backup, target = tmp_path / "backup", tmp_path / "restored"
    manifest = back_up(config.data_path, backup, silent)
    database = backup / DATABASE

    def rewrite(**changes: Any) -> None:
        (backup / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, **changes)))

    harms: dict[str, Callable[[], Any]] = {
        "bit": lambda: _flip(database, manifest.size_bytes // 2),
        "cut": lambda: database.write_bytes(database.read_bytes()[:-8192]),
        "missing": database.unlink,
        "manifest": lambda: (backup / MANIFEST).write_bytes(b"{}"),
        "rows": lambda: rewrite(rows={**manifest.rows, "devices": 5}),
        "format": lambda: rewrite(format=9),
        "no manifest": (backup / MANIFEST).unlink,
    }
    harms[harm]()
    with pytest.raises((ConfigError, Unavailable)):
        restore(backup, target, silent)
    assert not (target / DATABASE).exists()
    with pytest.raises((ConfigError, Unavailable)):  # and a second try does not find something half done
        restore(backup, target, silent)


def test_the_manifest_tells_what_is_in_the_backup(config: Config, tmp_path: Path) -> None:
    asyncio.run(initialize(config))
    told: list[tuple[int, int]] = []
    back_up(config.data_path, tmp_path / "backup", lambda done, total: told.append((done, total)))
    manifest = read_manifest(tmp_path / "backup")
    assert manifest.rows["projects"] == manifest.rows["administrators"] == 1
    assert told[-1][0] == told[-1][1] > 0
    with closing(sqlite3.connect(tmp_path / "backup" / DATABASE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == manifest.schema_version


async def token_of(server: Server, keys: Credentials) -> str:
    return await server.platform.tokens.log_in_application(keys.app_id, keys.access_key, keys.secret_key, "192.0.2.1")


@pytest.mark.parametrize("keep_tokens", [False, True])
async def test_sessions_of_before_open_a_restored_folder_only_where_they_are_kept(
    config: Config, tmp_path: Path, keep_tokens: bool
) -> None:
    async with open_server(config) as server:
        keys, sessions = server.credentials, server.platform.browser_sessions
        assert keys is not None
        logged_in = await sessions.log_in(keys.admin_account, keys.admin_password, Browser("192.0.2.1"))
        name = await sessions.cookie_name(secure=False)
        await asyncio.to_thread(back_up, config.data_path, tmp_path / "backup", silent)
    await asyncio.to_thread(restore, tmp_path / "backup", tmp_path / "restored", silent, keep_tokens=keep_tokens)
    async with open_server(restored(config, tmp_path)) as copy:
        sessions = copy.platform.browser_sessions
        if keep_tokens:
            assert (await sessions.authenticate(logged_in.secret)).session.id == logged_in.person.session.id
        else:
            with pytest.raises(NotAuthenticated):
                await sessions.authenticate(logged_in.secret)
        assert (await sessions.cookie_name(secure=False) == name) is keep_tokens


@pytest.mark.parametrize("keep_tokens", [False, True])
async def test_tokens_of_before_open_a_restored_folder_only_where_they_are_kept(
    config: Config, tmp_path: Path, keep_tokens: bool
) -> None:
    async with open_server(config) as server:
        keys = server.credentials
        assert keys is not None
        token = await token_of(server, keys)
        await asyncio.to_thread(back_up, config.data_path, tmp_path / "backup", silent)
    await asyncio.to_thread(restore, tmp_path / "backup", tmp_path / "restored", silent, keep_tokens=keep_tokens)
    async with open_server(restored(config, tmp_path)) as copy:
        if keep_tokens:
            assert (await copy.platform.tokens.authenticate(token)).app_id == keys.app_id
        else:
            with pytest.raises(NotAuthenticated):
                await copy.platform.tokens.authenticate(token)
        await copy.platform.tokens.authenticate(await token_of(copy, keys))
    assert [path.name for path in (tmp_path / "restored").iterdir()].count(DATABASE) == 1


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TRIGGER spy AFTER INSERT ON devices BEGIN DELETE FROM devices; END", "trigger spy"),
        ("CREATE VIEW more AS SELECT * FROM projects", "view more"),
        ("DROP INDEX devices_device_key", "index devices_device_key"),
        ("ALTER TABLE projects ADD COLUMN more TEXT", "table projects"),
        ("DROP TRIGGER devices_inserted", "trigger devices_inserted"),
    ],
)
def test_a_backup_whose_schema_is_not_ours_is_refused_by_name(
    config: Config, tmp_path: Path, statement: str, named: str
) -> None:
    asyncio.run(initialize(config))
    backup = tmp_path / "backup"
    manifest = back_up(config.data_path, backup, silent)
    with closing(sqlite3.connect(backup / DATABASE)) as connection, connection:
        connection.execute(statement)
    changed = msgspec.structs.replace(manifest, sha256=checksum(backup / DATABASE))
    (backup / MANIFEST).write_bytes(msgspec.json.encode(changed))
    with pytest.raises(ConfigError, match=f"its schema is not that of version .*: {named}"):
        restore(backup, tmp_path / "restored", silent)
    assert not (tmp_path / "restored" / DATABASE).exists()


def test_an_index_of_somebody_elses_keeps_no_backup_from_being_restored(config: Config, tmp_path: Path) -> None:
    asyncio.run(initialize(config))
    with closing(sqlite3.connect(config.data_path / DATABASE)) as connection, connection:
        connection.execute("CREATE INDEX mine ON projects (name)")
    back_up(config.data_path, tmp_path / "backup", silent)
    restore(tmp_path / "backup", tmp_path / "restored", silent)


async def test_a_backup_that_somebody_altered_is_refused_though_it_is_sound(
    server: Server, config: Config, tmp_path: Path
) -> None:
    await new_device(server)
    await asyncio.to_thread(back_up, config.data_path, tmp_path / "backup", silent)
    with closing(sqlite3.connect(tmp_path / "backup" / DATABASE)) as connection:
        connection.execute("UPDATE devices SET name = 'another'")
        connection.commit()
    with pytest.raises(ConfigError, match="differs from the manifest"):
        await asyncio.to_thread(restore, tmp_path / "backup", tmp_path / "restored", silent)
    assert not (tmp_path / "restored" / DATABASE).exists()


def test_a_backup_of_a_later_release_is_refused_with_both_versions(config: Config, tmp_path: Path) -> None:
    asyncio.run(initialize(config))
    backup = tmp_path / "backup"
    manifest = back_up(config.data_path, backup, silent)
    with closing(sqlite3.connect(backup / DATABASE)) as connection, connection:
        connection.execute("PRAGMA user_version=9999")
    changed = msgspec.structs.replace(manifest, sha256=checksum(backup / DATABASE))
    (backup / MANIFEST).write_bytes(msgspec.json.encode(changed))
    with pytest.raises(ConfigError, match=r"version 9999; this release knows up to \d+"):
        restore(backup, tmp_path / "restored", silent)
    assert not (tmp_path / "restored" / DATABASE).exists()
