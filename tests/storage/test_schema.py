"""Migrations, and whose file it is."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from thingstead.errors import ConfigError
from thingstead.storage.migrate import Migration, load_migrations
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import APPLICATION_ID, prepare

FIRST = Migration(1, "0001_first.sql", "CREATE TABLE a (n INTEGER);")
SECOND = Migration(2, "0002_second.sql", "CREATE TABLE b (n INTEGER); INSERT INTO b SELECT n FROM a;")
BROKEN = Migration(2, "0002_broken.sql", "CREATE TABLE b (n INTEGER); INSERT INTO nowhere VALUES (1);")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "thingstead.db"


def state(path: Path) -> tuple[int, int, set[str]]:
    """The application id, the version and the tables of a file."""
    with closing(connect(path, read_only=True)) as connection:
        application_id, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return application_id, version, tables


def test_a_new_file_gets_every_migration(path: Path) -> None:
    prepare(path)

    application_id, version, tables = state(path)
    assert (application_id, version) == (APPLICATION_ID, len(load_migrations("thingstead.storage.sqlite")))
    assert {"projects", "devices", "sessions", "report_log"} <= tables


def test_the_log_names_migrations_of_an_older_file_and_not_those_that_make_a_new_one(path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        prepare(path, [FIRST])
        prepare(path, [FIRST, SECOND])
    assert [line["file"] for line in lines] == ["0002_second.sql"]


def test_an_older_file_gets_what_is_new_and_keeps_its_rows(path: Path) -> None:
    prepare(path, [FIRST])
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO a VALUES (7)")

    prepare(path, [FIRST, SECOND])
    prepare(path, [FIRST, SECOND])

    assert state(path) == (APPLICATION_ID, 2, {"a", "b"})
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT n FROM b").fetchall() == [(7,)]


def test_a_folder_of_an_earlier_release_gets_one_spelling_of_what_looks_the_same(path: Path) -> None:
    migrations = load_migrations("thingstead.storage.sqlite")
    before = next(m.version for m in migrations if m.file_name.endswith("_unicode.sql")) - 1
    prepare(path, migrations[:before])
    project = "INSERT INTO projects (id, name, descr, tags, project_key, view_key, view_secret_hash, create_time)"
    with closing(connect(path)) as connection:
        connection.execute(f"{project} VALUES ('p', 'p', '', '{{}}', 'pk', 'vk', x'00', 0)")
        for number, (key, tags) in enumerate(
            [("K1", "{}"), ("\ufeffK1", "{}"), (" K2\r", '{"e\u0301":"x"}'), (None, "{}"), ("\ufeff", "{}")]
        ):
            connection.execute(
                "INSERT INTO devices (id, project_id, name, descr, device_key, tags, access_token, view_token,"
                " device_code, create_time, search_text) VALUES (?, 'p', 'E\u0301lan', '', ?, ?, ?, ?, ?, 0, '')",
                (f"d{number}", key, tags, f"a{number}", f"v{number}", f"c{number}"),
            )
        for number, account in enumerate(("ann", "Ann", "bob")):
            connection.execute(
                "INSERT INTO administrators (id, project_id, account, name, email, password_hash, tags, token_epoch,"
                " create_time) VALUES (?, 'p', ?, '', '', '', '{}', 0, 0)",
                (f"m{number}", account),
            )

    prepare(path, migrations)

    with closing(connect(path)) as connection:
        keys = connection.execute("SELECT device_key FROM devices ORDER BY id").fetchall()
        assert keys == [("K1",), ("\ufeffK1",), ("K2",), (None,), ("\ufeff",)]
        assert connection.execute("SELECT tags FROM devices WHERE id = 'd2'").fetchone() == ('{"é":"x"}',)
        [(found,)] = connection.execute("SELECT search_text FROM devices WHERE id = 'd2'")
        assert found.startswith("e\u0301lan\nk2\nd2")
        accounts = connection.execute("SELECT account, account_key FROM administrators ORDER BY id").fetchall()
        assert accounts == [("ann", "ann"), ("Ann", "ann"), ("bob", "bob")]


def test_devices_of_an_earlier_release_are_found_by_their_description(path: Path) -> None:
    migrations = load_migrations("thingstead.storage.sqlite")
    before = next(m.version for m in migrations if m.file_name.endswith("_device_lists.sql")) - 1
    prepare(path, migrations[:before])
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(
            "INSERT INTO devices (id, project_id, name, descr, device_key, tags, access_token, view_token, device_code,"
            " create_time, search_text) VALUES ('d', 'p', 'Pump', 'In the Yard', 'K', '{}', 'a', 'v', 'c', 0, 'old')"
        )
    prepare(path, migrations)
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT search_text FROM devices").fetchall() == [("pump\nk\nd\nc\nin the yard",)]


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        prepare(path, [FIRST, BROKEN])
    assert state(path) == (APPLICATION_ID, 1, {"a"})

    prepare(path, [FIRST, SECOND])
    assert state(path) == (APPLICATION_ID, 2, {"a", "b"})


def test_a_file_of_a_newer_release_is_refused_naming_both_versions(path: Path) -> None:
    prepare(path, [FIRST, SECOND])

    with pytest.raises(ConfigError, match=r"version 2; .* up to 1") as refusal:
        prepare(path, [FIRST])

    assert str(path) in refusal.value.message
    assert state(path) == (APPLICATION_ID, 2, {"a", "b"})


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (n INTEGER)")
    before = path.read_bytes()

    with pytest.raises(ConfigError, match="another program"):
        prepare(path)

    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"These are not the bytes of a database." * 100)
    before = path.read_bytes()

    with pytest.raises(ConfigError, match=r"thingstead\.db"):
        prepare(path)

    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        prepare(tmp_path / "nowhere" / "thingstead.db")


def test_a_file_whose_process_was_killed_opens_with_all_that_was_committed(path: Path, tmp_path: Path) -> None:
    prepare(path)
    copy = tmp_path / "as it lay when the process was killed"
    copy.mkdir()
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO server_secrets VALUES ('a', x'00')")
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), copy / name)

    prepare(copy / path.name)

    with closing(connect(copy / path.name)) as connection:
        assert connection.execute("SELECT name FROM server_secrets").fetchall() == [("a",)]


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))

    with pytest.raises(ConfigError, match="too old"):
        prepare(path)

    assert not path.exists()


@pytest.mark.parametrize("names", [["0001_a.sql", "0003_c.sql"], ["0002_b.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_migrations_are_numbered_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    package = f"numbered_{'_'.join(name[:4] + name[5] for name in names)}"
    folder = tmp_path / package / "sql"
    folder.mkdir(parents=True)
    (tmp_path / package / "__init__.py").touch()
    for name in names:
        (folder / name).write_text("SELECT 1;")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(RuntimeError, match="not numbered"):
        load_migrations(package)


def test_events_commands_and_alarms_of_an_older_file_are_kept(path: Path) -> None:
    migrations = load_migrations("thingstead.storage.sqlite")
    before = next(m.version for m in migrations if m.file_name.endswith("removal_in_steps.sql")) - 1
    prepare(path, migrations[:before])
    with closing(connect(path)) as connection:
        connection.executescript(OLD_ROWS)
    prepare(path)
    with closing(connect(path)) as connection:
        for table in ("events", "commands", "alarms", "alarm_logs", "notices", "notify_logs", "open_alarms"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("DELETE FROM alarms")
        connection.execute("DELETE FROM notices")
        for table in ("alarm_logs", "notify_logs"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


OLD_ROWS = """
INSERT INTO projects VALUES ('p', 'p', '', '{}', 'k', 'v', x'00', 0);
INSERT INTO devices (number, id, project_id, name, descr, tags, access_token, view_token, device_code, create_time,
    search_text) VALUES (1, 'd', 'p', 'n', '', '{}', 't', 'v', 'c', 0, '');
INSERT INTO events VALUES (1, 'e', 'd', 'boot', '{}', 1);
INSERT INTO commands VALUES (1, 'c', 'p', 'd', 'm', '{}', 1, 'queued', '', 'null', 1, 1, 1);
INSERT INTO alarms (id, project_id, device_id, rule_id, rule_name, alarm_level, raised_at)
    VALUES ('a', 'p', 'd', 'r', 'r', 1, 1);
INSERT INTO alarm_logs VALUES (1, 'a', 'a', 'p', 'd', 'r', 1, 1, '{}', 1, 1);
INSERT INTO notices VALUES (1, 'n', 'p', 'd', 'r', 'a', 'c', 'webhook', 'alarm', '{}', 'sent', 1, 1, 1, 1);
INSERT INTO notify_logs VALUES (1, 1, 'p', 'd', 't', 'sent', '', 1, 1);
"""
