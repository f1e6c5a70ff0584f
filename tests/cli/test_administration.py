"""Commands that manage an installation: beside a running server, through its local socket, and without one."""

import contextlib
import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.project_api import ProjectApi
from tests.server_process import ServerProcess, StartServer, init, thingstead
from thingstead.server.folder import LOCAL_SOCKET
from thingstead.server.local.listener import CONNECTIONS_MAX, REQUEST_TIMEOUT_S, WAITING_MAX
from thingstead.server.local.sockets import REQUEST_BYTES
from thingstead.services.registry.projects import Credentials

Command = Callable[..., str]


class House:
    """An installation, with a server that runs or without one."""

    def __init__(self, data: Path, credentials: Credentials, server: ServerProcess | None) -> None:
        self.data = data
        self.credentials = credentials
        self.server = server

    def run(self, *arguments: str, stdin: str = "") -> str:
        """What a command prints."""
        done = thingstead(*arguments, "--data-dir", self.data, stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def json(self, *arguments: str, stdin: str = "") -> Any:
        return json.loads(self.run(*arguments, "--json", stdin=stdin))

    def fail(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        """The exit code of a command that fails, and the last line of what it says."""
        done = thingstead(*arguments, "--data-dir", self.data, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.fixture(params=["running", "stopped"])
def house(request: pytest.FixtureRequest, tmp_path: Path, start_server: StartServer) -> House:
    credentials = init(tmp_path / "data")
    return House(tmp_path / "data", credentials, start_server() if request.param == "running" else None)


@pytest.fixture
def running(tmp_path: Path, start_server: StartServer) -> House:
    credentials = init(tmp_path / "data")
    return House(tmp_path / "data", credentials, start_server())


def test_an_application_is_created_listed_reset_and_deleted(house: House) -> None:
    made = house.json("application", "create", "--name", "backend", "--role", "operator")
    assert {"id", "access_key", "secret_key"} <= made.keys()
    listed = house.json("application", "list")
    assert [(each["name"], each["role"]) for each in listed] == [("API", "admin"), ("backend", "operator")]
    assert "secret_key" not in listed[1]
    reset = house.json("application", "reset", made["id"])
    assert reset["secret_key"] != made["secret_key"]
    assert house.json("application", "set-role", made["id"], "--role", "viewer")["role"] == "viewer"
    assert "backend" in house.run("application", "list")
    house.run("application", "delete", made["id"], "--yes")
    assert [each["name"] for each in house.json("application", "list")] == ["API"]


def test_an_administrator_is_created_with_a_password_that_is_drawn_or_given(house: House) -> None:
    drawn = house.json("admin", "create", "--account", "anna", "--role", "viewer")
    assert len(drawn["password"]) >= 16
    given = house.json(
        "admin", "create", "--account", "bob", "--role", "admin", "--password-stdin", stdin="a password\n"
    )
    assert "password" not in given
    house.run("admin", "set-role", "--account", "ANNA", "--role", "operator")
    roles = {each["account"]: each["role"] for each in house.json("admin", "list")}
    assert roles == {"admin": "admin", "anna": "operator", "bob": "admin"}
    house.run("admin", "delete", "--account", "bob", "--yes")
    assert house.fail("admin", "delete", "--account", "bob", "--yes")[1].startswith("Error: no administrator bob")


def test_a_device_is_created_shown_reset_and_deleted(house: House) -> None:
    made = house.json("device", "create", "--name", "pump 7", "--device-key", "K7")
    assert {"id", "access_token", "project_key"} <= made.keys()
    assert [each["device_key"] for each in house.json("device", "list", "--keyword", "pump")] == ["K7"]
    assert house.json("device", "list", "--online") == []
    assert house.json("device", "certificate", made["id"])["access_token"] == made["access_token"]
    assert house.json("device", "reset", made["id"])["access_token"] != made["access_token"]
    house.run("device", "delete", made["id"], "--yes")
    assert house.fail("device", "show", made["id"]) == (1, "Error: no such device")


def test_projects_are_listed_and_created_and_then_one_must_be_named(house: House) -> None:
    made = house.json("project", "create", "--name", "Second")
    listed = {each["name"]: each["id"] for each in house.json("project", "list")}
    assert listed == {"Thingstead": house.credentials.project_id, "Second": made["project_id"]}
    code, said = house.fail("device", "list")
    assert (code, "--project ID" in said) == (2, True)
    house.run("device", "create", "--name", "there", "--project", made["project_id"])
    assert house.json("device", "list", "--project", house.credentials.project_id) == []
    assert house.fail("device", "list", "--project", "nobody")[1] == "Error: no such project"


def test_any_call_of_the_project_api_can_be_made(house: House, tmp_path: Path) -> None:
    house.run("api", "PUT", "/project/info", "--data", '{"name": "Plant 1"}')
    body = tmp_path / "body.json"
    body.write_text('{"descr": "of steel"}')
    house.run("api", "put", "/project/info", "--data", f"@{body}")
    shown = house.json("api", "GET", "/project")
    assert (shown["name"], shown["descr"]) == ("Plant 1", "of steel")
    assert '\n  "name": "Plant 1"' in house.run("api", "GET", "/project")
    assert house.fail("api", "PUT", "/project/info", "--data", '{"name": 3}')[1].startswith("Error: name: ")
    assert house.fail("api", "GET", "/devices?page_records=0")[1].startswith("Error: page_records: ")
    assert house.fail("api", "GET", "/api/v1/devices")[0] == 2
    assert house.fail("api", "PUT", "/project/info", "--data", "{")[0] == 2


def test_a_long_read_is_answered_and_stops_nobody_else(house: House) -> None:
    device = house.json("device", "create", "--name", "Pump")["id"]
    for path in ("history?identifiers=t&start_time=0&end_time=1", "attributes?at=1", "attributes"):
        assert isinstance(house.json("api", "GET", f"/device/{device}/{path}"), dict | list)
    assert house.json("api", "GET", "/devices_stat")["device_total"] == 1


def test_an_answer_that_is_a_file_is_refused_with_a_reason(house: House) -> None:
    device = house.json("device", "create", "--name", "Pump")["id"]
    path = f"/device/{device}/history.csv?identifiers=t&start_time=0&end_time=1"
    assert house.fail("api", "GET", path) == (1, "Error: the answer is not JSON but a file: ask for it over HTTP")


def test_the_segments_of_a_path_may_be_encoded(house: House) -> None:
    device = house.json("device", "create", "--name", "Pump")["id"]
    encoded = "".join(f"%{ord(character):02x}" for character in device)
    assert house.json("api", "GET", f"/device/{encoded}")["name"] == "Pump"


def test_what_commands_change_stands_in_the_audit_log(house: House) -> None:
    house.run("application", "create", "--name", "backend")
    rows = house.json("api", "GET", "/audit_logs")["items"]
    newest = rows[0]
    assert (newest["actor"]["kind"], newest["action"], newest["object"]["name"]) == ("cli", "create", "backend")


def test_a_lost_key_and_a_lost_password_are_no_dead_end_while_the_server_runs(running: House) -> None:
    server = running.server
    assert server is not None
    keys = running.json("application", "reset", running.json("application", "list")[0]["id"])
    new = {"app_id": keys["id"], "access_key": keys["access_key"], "secret_key": keys["secret_key"]}
    old = {name: getattr(running.credentials, name) for name in new}
    post = f"{server.url}/api/v1/access_token"
    assert httpx.post(post, json=old, trust_env=False).json()["result"] is False
    assert httpx.post(post, json=new, trust_env=False).json()["result"] is True
    running.run("admin", "set-password", "--password-stdin", stdin="another password\n")
    log_in = {"account": "admin", "password": "another password"}
    page = {"X-Thingstead": "1", "Origin": server.url}
    session = httpx.post(f"{server.url}/api/v1/console/session", json=log_in, headers=page, trust_env=False)
    assert session.json()["result"] is True, session.text


def test_tokens_end_when_their_secret_is_rotated_while_the_server_runs(running: House) -> None:
    assert running.server is not None
    with ProjectApi(running.server.url, running.credentials) as api:
        assert api.answer("GET", "/project")["result"] is True
        running.run("rotate-token-secret")
        assert api.answer("GET", "/project")["errcode"] == 401


def test_status_says_whether_a_server_runs_and_how_it_is(house: House) -> None:
    done = thingstead("status", "--data-dir", house.data, "--json")
    seen = json.loads(done.stdout)
    if house.server is None:
        assert (done.returncode, seen["state"]) == (1, "stopped")
    else:
        assert (done.returncode, seen["state"], seen["trouble"]) == (0, "running", "")
        assert seen["ports"]["http_port"] == house.server.http_port
        assert (seen["projects"], seen["devices"]) == (1, 0)


def test_the_doctor_names_what_is_wrong_and_what_to_do(house: House) -> None:
    (house.data / "credentials.json").write_text("{}")
    house.data.chmod(0o755)
    done = thingstead("doctor", "--data-dir", house.data, "--json")
    found = {check["check"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["data folder"]["state"] == "bad"
    assert f"chmod 700 {house.data}" in found["data folder"]["text"]
    assert found["credentials"]["state"] == "warn"
    assert found["server"]["state"] == ("ok" if house.server else "warn")
    house.data.chmod(0o700)
    (house.data / "credentials.json").unlink()
    healed = thingstead("doctor", "--data-dir", house.data)
    assert healed.returncode == 0
    assert "bad" not in healed.stdout


def test_the_doctor_names_a_folder_that_is_no_data_folder(tmp_path: Path) -> None:
    done = thingstead("doctor", "--data-dir", tmp_path / "nothing")
    assert done.returncode == 1
    assert "is not initialized" in done.stdout
    assert thingstead("status", "--data-dir", tmp_path / "nothing").returncode == 1


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder whose path is longer than the name of a socket may be."""
    folder = tmp_path.joinpath(*["a long name of a folder"] * 6)
    folder.mkdir(parents=True)
    return folder


def test_folders_with_long_paths_work_too(deep: Path, start_server: StartServer) -> None:
    credentials = init(deep / "data")
    server = start_server(deep / "data")
    assert len(os.fsencode(deep)) > 108
    house = House(deep / "data", credentials, server)
    house.run("device", "create", "--name", "deep")
    assert [each["name"] for each in house.json("device", "list")] == ["deep"]


def test_the_socket_is_for_the_owner_alone_and_goes_with_the_server(running: House) -> None:
    path = running.data / LOCAL_SOCKET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert running.server is not None
    running.server.stop()
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_no_obstacle(running: House, start_server: StartServer) -> None:
    assert running.server is not None
    running.server.kill()
    assert (running.data / LOCAL_SOCKET).exists()
    assert running.json("device", "list") == []
    again = start_server(running.data)
    assert running.json("status")["uptime_s"] < 60
    assert again.stop() == 0


@pytest.fixture
def line(running: House) -> Callable[[bytes], bytes]:
    """Sends bytes to the socket, and returns what comes back until the connection ends."""

    def exchange(sent: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(running.data / LOCAL_SOCKET))
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            received = b""
            while chunk := client.recv(65_536):
                received += chunk
            return received

    return exchange


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"{\n", b'"status":400'),
        (b'{"operation":"surprise"}\n', b'"status":404'),
        (b'{"method":"GET","path":"/api/v1/devices","project":"nobody"}\n', b"no such project"),
        (b'{"method":"GET","path":"/nowhere","project":""}\n', b'"status":404'),
        (b"", b""),
        (b"x" * 2_000_000, b""),
    ],
)
def test_nonsense_at_the_socket_is_refused(line: Callable[[bytes], bytes], sent: bytes, answered: bytes) -> None:
    try:
        assert answered in line(sent)
    except (BrokenPipeError, ConnectionResetError):
        assert not answered


def test_a_request_that_the_socket_does_not_take_is_refused_with_a_reason(running: House, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"descr": "x" * REQUEST_BYTES}))
    code, said = running.fail("api", "PUT", "/project/info", "--data", f"@{body}")
    assert (code, said) == (1, "Error: the request is longer than 1,048,576 bytes: send it over HTTP")


def test_a_line_without_end_is_no_fault_of_the_server(running: House, line: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        assert line(b"x" * 2 * REQUEST_BYTES) == b""
    assert running.server is not None
    running.server.stop()
    assert [record for record in running.server.records if record["level"] == "error"] == []
    assert running.server.logged("a command was not answered") != []


def test_more_requests_than_may_wait_are_turned_away(running: House) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX + WAITING_MAX + 1):
            last = stack.enter_context(socket.socket(socket.AF_UNIX))
            last.connect(str(running.data / LOCAL_SOCKET))
        last.settimeout(REQUEST_TIMEOUT_S / 2)
        assert last.recv(1) == b""


def test_a_header_of_http_makes_nobody_the_operator(running: House) -> None:
    assert running.server is not None
    name = "thingstead.operated_project"
    headers = {name: running.credentials.project_id, "X-Thingstead-Operated-Project": running.credentials.project_id}
    answered = httpx.get(f"{running.server.url}/api/v1/project", headers=headers, trust_env=False)
    assert answered.status_code == 401


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(("sevre",), "serve"), (("project", "lst"), "list"), (("projekt", "list"), "project")],
)
def test_a_misspelt_command_is_answered_with_the_nearest_one(arguments: tuple[str, ...], meant: str) -> None:
    done = thingstead(*arguments)
    assert done.returncode == 2
    assert f"did you mean {meant}?" in done.stderr


@pytest.mark.parametrize("group", ["admin", "application", "device", "project", "api"])
def test_the_help_has_examples(group: str) -> None:
    assert f"\n  thingstead {group} " in thingstead(group, "--help").stdout


@pytest.mark.parametrize("group", [(), ("admin",), ("application",), ("device",), ("project",)])
def test_the_summary_of_every_command_fits_its_line(group: tuple[str, ...]) -> None:
    told = thingstead(*group, "--help").stdout
    lines = told.partition("Commands:\n")[2].splitlines()
    assert lines
    assert [line for line in lines if not line.endswith(".") or line.endswith("...")] == []


def test_an_option_without_a_default_names_none() -> None:
    told = thingstead("serve", "--help").stdout
    assert "--database" in told
    assert "default: ;" not in " ".join(told.split())
