"""The commands that come to an end: what they print, what they refuse, and their exit codes."""

import asyncio
import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.certificates import Authority
from tests.project_api import ProjectApi
from tests.server_process import StartServer, init, thingstead
from thingstead import __version__
from thingstead.config import load
from thingstead.model.alarms.notification import Channel
from thingstead.model.forwarding.target_form import ForwardTargetForm
from thingstead.server import open_platform
from thingstead.services.notifications.notify import GroupForm
from thingstead.services.registry.projects import Credentials

KEYS = [
    "project_id",
    "project_key",
    "app_id",
    "access_key",
    "secret_key",
    "admin_account",
    "admin_password",
    "view_key",
    "view_secret",
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_init_prints_exactly_the_documented_members_as_strings(tmp_path: Path) -> None:
    done = thingstead("init", "--data-dir", tmp_path / "data", "--json")
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert list(printed) == KEYS
    assert all(isinstance(value, str) and value for value in printed.values())


def test_init_says_where_the_console_is_and_how_to_log_in(tmp_path: Path) -> None:
    done = thingstead("init", "--data-dir", tmp_path / "data", THINGSTEAD_HTTP_PORT="8181")
    password = next(line.split()[1] for line in done.stdout.splitlines() if "admin_password" in line)
    assert f"Console: http://localhost:8181/console/  account admin  password {password}\n" in done.stdout
    public = {"THINGSTEAD_PUBLIC_HTTP_ADDRESS": "https://iot.example.com/"}
    done = thingstead("init", "--data-dir", tmp_path / "second", **public)
    assert "Console: https://iot.example.com/console/  account admin" in done.stdout


def test_a_role_is_set_while_the_server_is_stopped_and_the_last_admin_keeps_it(tmp_path: Path) -> None:
    init(tmp_path)
    set_role = ("admin", "set-role", "--data-dir", tmp_path, "--role")
    last = thingstead(*set_role, "viewer")
    assert (last.returncode, "the last administrator with the role admin" in last.stderr) == (1, True)
    done = thingstead(*set_role, "admin")
    assert (done.returncode, done.stdout) == (0, "The role of admin is admin.\n")
    assert thingstead(*set_role, "root").returncode == 2
    assert thingstead(*set_role, "viewer", "--account", "nobody").returncode == 1


def test_what_init_makes_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    init(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()} == {0o600}


def test_no_secret_stands_in_the_data_folder(tmp_path: Path) -> None:
    credentials = init(tmp_path / "data")
    kept = b"".join(contents(tmp_path / "data").values())
    assert credentials.project_key.encode() in kept  # the search finds what is there
    for secret in (credentials.secret_key, credentials.admin_password, credentials.view_secret):
        assert secret.encode() not in kept


def test_init_refuses_an_initialized_folder_and_changes_nothing(tmp_path: Path) -> None:
    init(tmp_path / "data")
    before = contents(tmp_path / "data")
    again = thingstead("init", "--data-dir", tmp_path / "data", "--json")
    assert again.returncode == 1
    assert "is initialized already; nothing was changed" in again.stderr
    assert again.stdout == ""
    assert contents(tmp_path / "data") == before


def test_init_refuses_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("x")
    done = thingstead("init", "--data-dir", tmp_path)
    assert done.returncode == 2
    assert "is not a data folder of Thingstead" in done.stderr
    assert list(contents(tmp_path)) == ["thesis.doc"]


@pytest.mark.parametrize(
    "command",
    [("project", "list"), ("project", "create", "--name", "x"), ("admin", "set-password", "--password-stdin")],
)
def test_commands_on_a_folder_that_is_not_initialized_are_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = thingstead(*command, "--data-dir", tmp_path / "absent", stdin="a new password\n")
    assert done.returncode == 2
    assert "is not a data folder yet; thingstead init creates one" in done.stderr
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("damage", [b"this is not a database, and it never was" * 200, b""])
def test_a_damaged_database_is_refused_without_a_traceback(tmp_path: Path, damage: bytes) -> None:
    init(tmp_path)
    (tmp_path / "thingstead.sqlite").write_bytes(damage)
    for command in (("project", "list"), ("serve", "--http-port", "0", "--mqtt-port", "0")):
        done = thingstead(*command, "--data-dir", tmp_path)
        assert done.returncode == 2
        assert "thingstead.sqlite" in done.stderr
        assert "Traceback" not in done.stderr


def test_projects_are_created_and_listed_oldest_first(tmp_path: Path) -> None:
    first = init(tmp_path)
    done = thingstead("project", "create", "--name", "Second plant", "--data-dir", tmp_path, "--json")
    second = json.loads(done.stdout)
    assert list(second) == KEYS
    listed = thingstead("project", "list", "--data-dir", tmp_path, "--json")
    assert [(item["id"], item["name"]) for item in json.loads(listed.stdout)] == [
        (first.project_id, "Thingstead"),
        (second["project_id"], "Second plant"),
    ]


def test_a_second_project_names_the_webhooks_and_targets_that_it_stops(tmp_path: Path) -> None:
    first = init(tmp_path)

    async def add_group() -> None:
        async with open_platform(load(flags={"data_dir": str(tmp_path)})) as platform:
            channels = (Channel(webhook="http://127.0.0.1:9/in?key=1"), Channel(webhook="http://93.184.216.34/in"))
            await platform.notify.create(first.project_id, GroupForm(name="Night", channels=channels))
            for name, host in (("ERP", "127.0.0.1"), ("Far", "93.184.216.34")):
                form = {"name": name, "kinds": ["attributes"], "mqtt": {"url": f"mqtt://{host}:1", "topic": "a"}}
                await platform.forwarding.create(first.project_id, msgspec.convert(form, ForwardTargetForm))
            assert await platform.notify.stopped_channels() == []

    asyncio.run(add_group())
    done = thingstead("project", "create", "--name", "Second plant", "--data-dir", tmp_path)
    assert done.returncode == 0
    stopped = [line for line in done.stderr.splitlines() if line.startswith("  project")]
    assert stopped == [
        f"  project {first.project_id}, notification group 'Night': webhook http://127.0.0.1:9",
        f"  project {first.project_id}, forwarding target 'ERP': mqtt 127.0.0.1",
    ]


def test_a_project_needs_a_proper_name(tmp_path: Path) -> None:
    init(tmp_path)
    done = thingstead("project", "create", "--name", "", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert "name" in done.stderr


def test_a_password_is_set_only_for_an_administrator_that_exists(tmp_path: Path) -> None:
    init(tmp_path)
    set_password = ("admin", "set-password", "--data-dir", tmp_path, "--password-stdin")
    assert thingstead(*set_password, stdin="a new password\n").returncode == 0
    unknown = thingstead(*set_password, "--account", "nobody", stdin="a new password\n")
    assert (unknown.returncode, "no administrator nobody" in unknown.stderr) == (1, True)
    short = thingstead(*set_password, stdin="\n")
    assert (short.returncode, "password" in short.stderr) == (1, True)


def test_with_several_projects_the_password_command_asks_which(tmp_path: Path) -> None:
    first = init(tmp_path)
    thingstead("project", "create", "--name", "Second", "--data-dir", tmp_path)
    set_password = ("admin", "set-password", "--data-dir", tmp_path, "--password-stdin")
    unclear = thingstead(*set_password, stdin="a new password\n")
    assert (unclear.returncode, "--project ID" in unclear.stderr) == (2, True)
    assert thingstead(*set_password, "--project", first.project_id, stdin="a new password\n").returncode == 0


def test_check_config_prints_every_setting_as_serve_would_have_it(tmp_path: Path) -> None:
    file = tmp_path / "thingstead.toml"
    file.write_text("[mqtt]\nkeep_alive_max_s = 600\n[http]\nmetrics_token = 'hunter2'\n")
    done = thingstead("check-config", "--config", file, THINGSTEAD_HTTP_PORT="81")
    assert done.returncode == 0
    assert "mqtt.keep_alive_max_s = 600\n" in done.stdout
    assert "http_port = 81\n" in done.stdout
    assert "hunter2" not in done.stdout


@pytest.mark.parametrize("command", ["check-config", "serve", "init"])
def test_a_wrong_configuration_is_refused_with_code_2_by_every_command(tmp_path: Path, command: str) -> None:
    done = thingstead(command, THINGSTEAD_HTTP_PORT="many", THINGSTEAD_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stderr.strip() == "Error: http_port (THINGSTEAD_HTTP_PORT): must be an integer, got 'many'"
    assert not (tmp_path / "data").exists()


def test_the_configuration_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "thingstead.toml"
    file.write_text("http_port = 81\n")
    assert "http_port = 81\n" in thingstead("check-config", THINGSTEAD_CONFIG=str(file)).stdout


def test_the_version_is_that_of_the_package() -> None:
    assert thingstead("--version").stdout == f"thingstead {__version__}\n"


def test_an_unknown_command_is_refused_with_code_2() -> None:
    done = thingstead("surprise")
    assert done.returncode == 2
    assert "No such command 'surprise'" in done.stderr


def test_a_backup_its_restoration_and_a_check_are_told_as_json(tmp_path: Path) -> None:
    data, backup, restored = (str(tmp_path / name) for name in ("data", "backup", "restored"))
    assert thingstead("init", "--data-dir", data, "--json").returncode == 0
    made = json.loads(thingstead("backup", backup, "--data-dir", data, "--json").stdout)
    assert made["backup"] == backup
    assert made["size_bytes"] > 0
    done = json.loads(thingstead("restore", backup, "--data-dir", restored, "--json").stdout)
    assert done == {"data_dir": restored, "rows": made["rows"], "created_at": made["created_at"]}
    parts = [json.loads(line) for line in thingstead("check", "--data-dir", restored, "--json").stdout.splitlines()]
    assert {part["part"] for part in parts} >= {"pages", "references", "blocks"}
    assert [part["problems"] for part in parts] == [[]] * len(parts)


def test_a_rotated_project_key_is_printed_and_is_another_one(tmp_path: Path) -> None:
    credentials = init(tmp_path / "data")
    done = thingstead("project", "rotate-key", "--data-dir", tmp_path / "data", "--grace-days", "0.5")
    assert done.returncode == 0, done.stderr
    listed = json.loads(thingstead("project", "list", "--json", "--data-dir", tmp_path / "data").stdout)
    assert [project["project_key"] for project in listed] == [done.stdout.strip()]
    assert done.stdout.strip() != credentials.project_key
    again = thingstead("project", "rotate-key", "--data-dir", tmp_path / "data")
    assert (again.returncode, again.stdout) == (1, "")
    assert "still valid" in again.stderr


def test_after_a_rotation_of_the_token_secret_no_token_of_before_opens_anything(
    tmp_path: Path, start_server: StartServer
) -> None:
    credentials = init(tmp_path / "data")
    server = start_server(tmp_path / "data")
    with ProjectApi(server.url, credentials) as before:
        assert before.answer("GET", "/project")["result"] is True
        server.stop()
        done = thingstead("rotate-token-secret", "--data-dir", tmp_path / "data")
        assert done.returncode == 0, done.stderr
        headers = before.headers
    server = start_server(tmp_path / "data")
    assert httpx.get(f"{server.url}/api/v1/project", headers=headers, trust_env=False).status_code == 401
    with ProjectApi(server.url, credentials) as after:
        assert after.answer("GET", "/project")["result"] is True


def test_a_full_disk_is_a_failure_that_may_pass_and_no_wrong_configuration(tmp_path: Path) -> None:
    """Exit code 2 would keep systemd from starting the server again when there is room."""
    script = f'ulimit -f 0 && exec "$0" -m thingstead init --data-dir "{tmp_path / "data"}"'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"Error: .* cannot be used.*\n", done.stderr.splitlines(keepends=True)[-1])
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("setting", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_check_config_refuses_files_that_are_missing(tmp_path: Path, setting: str) -> None:
    signed = Authority(tmp_path).sign("server")
    files = {"tls_certificate": signed.certificate, "tls_key": signed.key, "tls_client_ca": tmp_path / "authority.pem"}
    text = "\n".join(["mqtts_port = 0", *(f"{name} = '{path}'" for name, path in files.items())])
    (tmp_path / "thingstead.toml").write_text(text)
    checked = thingstead("check-config", "--config", tmp_path / "thingstead.toml")
    assert (checked.returncode, checked.stderr) == (0, "")
    files[setting].unlink()
    refused = thingstead("check-config", "--config", tmp_path / "thingstead.toml")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"Error: mqtts_port: {files[setting]} is not a file\n"


def test_check_config_refuses_a_kind_of_port_that_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "thingstead.toml").write_text("[[listeners]]\nkind = 'mqttx'\nport = 1\n")
    refused = thingstead("check-config", "--config", tmp_path / "thingstead.toml")
    assert refused.returncode == 2
    assert "listeners[0].kind" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_init_says_what_each_credential_is_for(tmp_path: Path) -> None:
    printed = thingstead("init", "--data-dir", tmp_path / "data").stdout
    headings = [block.splitlines()[0] for block in printed.split("\n\n")[1:6]]
    assert [heading.split(":")[0] for heading in headings] == [
        "People",
        "Devices",
        "Programs that call the Project API",
        "Programs that subscribe to live values",
        "The project",
    ]
    assert {line.split()[0] for line in printed.splitlines() if line.startswith("  ")} == set(
        Credentials.__struct_fields__
    )
