"""The commands on a PostgreSQL database: what works on it, what says that it does not, and bad addresses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer
from tests.project_api import ProjectApi
from tests.server_process import StartServer, init, thingstead
from thingstead.services.registry.projects import Credentials


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """Address of an empty database."""
    url = postgres_server.new_database(empty=True)
    yield url
    postgres_server.drop_database(url)


def run(*arguments: str | Path, **environ: str) -> str:
    """The output of a command that succeeds."""
    done = thingstead(*arguments, **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(*arguments: str | Path, **environ: str) -> str:
    """The error of a command that fails."""
    done = thingstead(*arguments, **environ)
    assert done.returncode != 0
    return done.stderr


def test_init_prints_the_same_members_as_for_a_folder_and_refuses_a_second_time(database: str, tmp_path: Path) -> None:
    printed = json.loads(run("init", "--database", database, "--json"))
    assert list(printed) == list(json.loads(run("init", "--data-dir", tmp_path / "data", "--json")))
    assert "is initialized already; nothing was changed" in refusal("init", "--database", database)


def test_the_address_and_its_password_may_stand_in_variables_and_in_a_file(database: str, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not asked for\n")
    settings = {"THINGSTEAD_DATABASE": database, "THINGSTEAD_DATABASE_PASSWORD_FILE": str(password)}
    assert "The database is initialized" in run("init", **settings)
    assert "cannot be read" in refusal("init", **{**settings, "THINGSTEAD_DATABASE_PASSWORD_FILE": "/nowhere"})


def test_commands_work_while_no_node_is_active_and_say_where_the_active_one_is(
    database: str, tmp_path: Path, start_server: StartServer
) -> None:
    created = json.loads(run("init", "--database", database, "--json"))
    assert created["project_id"] in run("project", "list", "--database", database)
    assert created["app_id"] in run("application", "list", "--database", database)
    environ = {"THINGSTEAD_CLUSTER_NODE_NAME": "first", "THINGSTEAD_CLUSTER_NODE_ADDRESS": "first.example.com"}
    folder = tmp_path / "first"
    start_server(folder, "--database", database, **environ)
    assert "node first (first.example.com) is active" in refusal("project", "list", "--database", database)
    assert created["project_id"] in run("project", "list", "--database", database, "--data-dir", folder)
    [node] = json.loads(run("status", "--database", database, "--data-dir", folder, "--json"))["nodes"]
    assert (node["name"], node["state"]) == ("first", "active")
    elsewhere = thingstead("status", "--database", database, "--data-dir", tmp_path, "--json")
    assert json.loads(elsewhere.stdout)["state"] == "stopped"
    assert json.loads(elsewhere.stdout)["nodes"][0]["name"] == "first"


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_command_that_works_on_folders_alone_says_so(command: str) -> None:
    error = refusal(command, "--database", "postgresql://nobody@127.0.0.1:1/nothing")
    assert f"thingstead {command} works on a data folder" in error


def test_history_is_exported_while_a_node_is_active_and_imported_into_another_database(
    database: str, postgres_server: PostgresServer, tmp_path: Path, start_server: StartServer
) -> None:
    created = json.loads(run("init", "--database", database, "--json"))
    server = start_server(tmp_path / "node", "--database", database)
    with ProjectApi(server.url, Credentials(**created)) as api:
        device = api.create_device()
        for level in (1, 2, 3):
            api.call("PUT", f"/control/device/{device.device_id}/attributes", json={"level": level})
        table = run("export", "--output", "-", "--database", database, "--device", device.device_id)
    rows = table.splitlines()
    assert rows[0] == "device_id,device_key,identifier,ts,timestamp,value"
    assert [row.split(",")[2:6:3] for row in rows[1:]] == [["level", "1"], ["level", "2"], ["level", "3"]]
    assert "no such device: nobody" in refusal("export", "--output", "-", "--database", database, "--device", "nobody")
    server.stop()
    (tmp_path / "table.csv").write_text(table)
    assert "3 points" in run("import-history", tmp_path / "table.csv", "--database", database)
    again = run("export", "--output", "-", "--database", database, "--identifier", "level")
    assert again.splitlines() == rows


def test_a_database_without_tables_is_not_exported(database: str) -> None:
    assert "schema version none" in refusal("export", "--output", "-", "--database", database)


def test_the_folder_of_a_single_server_is_not_that_of_a_node(database: str, tmp_path: Path) -> None:
    init(tmp_path / "data")
    error = refusal("serve", "--database", database, "--data-dir", tmp_path / "data", "--http-port", "0")
    assert "give a node another data_dir" in error


def test_a_backup_restores_everything_into_another_database(
    database: str, postgres_server: PostgresServer, tmp_path: Path, start_server: StartServer
) -> None:
    created = json.loads(run("init", "--database", database, "--json"))
    server = start_server(tmp_path / "node", "--database", database)
    with ProjectApi(server.url, Credentials(**created)) as api:
        device = api.create_device()
        api.call("PUT", f"/control/device/{device.device_id}/attributes", json={"temperature": 21.5, "name": "北京"})
        backed_up = run("backup", tmp_path / "backup", "--database", database)
    assert "rows, as of" in backed_up
    server.stop()
    other = postgres_server.new_database(empty=True)
    run("restore", tmp_path / "backup", "--database", other)
    assert "holds a project already" in refusal("restore", tmp_path / "backup", "--database", other)
    server = start_server(tmp_path / "other", "--database", other)
    with ProjectApi(server.url, Credentials(**created)) as api:
        assert api.attributes(device.device_id)["temperature"] == 21.5
        api.create_device()  # numbers go on behind those of the backup
    server.stop()
    postgres_server.drop_database(other)


def test_a_damaged_backup_restores_nothing(database: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    run("init", "--database", database)
    run("backup", tmp_path / "backup", "--database", database)
    file = tmp_path / "backup" / "tables" / "projects.copy.zst"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    other = postgres_server.new_database(empty=True)
    assert "is damaged" in refusal("restore", tmp_path / "backup", "--database", other)
    assert "The database is initialized" in run("init", "--database", other)
    postgres_server.drop_database(other)


@pytest.mark.parametrize(
    ("database", "problem"),
    [
        ("postgresql://thingstead:secret@127.0.0.1:1/thingstead", "database 127.0.0.1:1/thingstead: "),
        ("mysql://thingstead@127.0.0.1/thingstead", "must be an address of PostgreSQL"),
        ("postgresql://thingstead@127.0.0.1", "must name the database"),
    ],
)
def test_a_database_that_cannot_be_reached_is_refused_without_its_password(database: str, problem: str) -> None:
    error = refusal("init", "--database", database)
    assert problem in error
    assert "secret" not in error


def test_a_database_with_another_encoding_is_refused(postgres_server: PostgresServer) -> None:
    options = "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    url = postgres_server.new_database(empty=True, options=options)
    assert "ENCODING 'UTF8'" in refusal("init", "--database", url)
    postgres_server.drop_database(url)


def test_a_database_of_another_program_is_refused(database: str, postgres_server: PostgresServer) -> None:
    with postgres_server.connect(database.rpartition("/")[2]) as connection:
        connection.execute("CREATE TABLE invoices ()")
        assert "of another program" in refusal("init", "--database", database)
        tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert connection.execute(tables).fetchall() == [("invoices",)]


def test_a_role_that_may_create_nothing_is_told_what_it_needs(database: str, postgres_server: PostgresServer) -> None:
    with postgres_server.connect(database.rpartition("/")[2]) as connection:
        connection.execute("CREATE ROLE poor LOGIN")
        error = refusal("init", "--database", database.replace("thingstead@", "poor@"))
        connection.execute("DROP ROLE poor")
    assert "make it the owner of the database" in error


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"THINGSTEAD_DATABASE": "things.example.com"}, "must be an address of PostgreSQL"),
        (
            {"THINGSTEAD_DATABASE": "postgresql://t@h/t", "THINGSTEAD_DATABASE_PASSWORD_FILE": "/nowhere"},
            "database_password_file: /nowhere cannot be read",
        ),
    ],
)
def test_check_config_reads_the_address_and_the_password_without_asking_the_database(
    settings: dict[str, str], problem: str
) -> None:
    assert problem in refusal("check-config", **settings)
    shown = run("check-config", THINGSTEAD_DATABASE="postgresql://t:secret@127.0.0.1:1/t")
    assert "database = ***" in shown
