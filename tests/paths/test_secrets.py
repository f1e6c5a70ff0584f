"""No credential stands in the log at any level, and none leaves a first start but to who asked for it."""

import base64
import contextlib
import json
import os
import pty
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi
from tests.running import Running, eventually
from tests.server_process import CHEAP_PASSWORDS, StartServer, thingstead
from thingstead.services.registry.projects import Credentials

pytestmark = pytest.mark.embedded  # these read or lock the file

TIMEOUT_S = 30
METRICS_TOKEN = "metrics-bearer-1234"
SMTP_PASSWORD = "smtp-secret-1234"
CUSTOMER_PASSWORD = "customer-secret-1234"
ROBOT_TOKEN = "robot-secret-1234"
HOOK_SECRET = "hook-secret-1234"
BOT_TOKEN = "123456:bot-secret-1234"
WRONG = "a-wrong-one-1234"  # what people mistype is nearly a credential


def credentials_of(folder: Path) -> Credentials:
    return Credentials(**json.loads((folder / "credentials.json").read_text(encoding="utf-8")))


def log_in(port: int, user_name: str, password: str, transport: Any) -> None:
    """Over MQTT, until CONNACK."""
    client = paho.Client(CallbackAPIVersion.VERSION2, transport=transport, reconnect_on_failure=False)
    client.username_pw_set(user_name, password)
    client.ws_set_options(headers={"Authorization": f"Bearer {password}", "Cookie": f"session={password}"})
    client.connect("127.0.0.1", port)
    answered: list[Any] = []
    client.on_connect = lambda *about: answered.append(about)
    client.loop_start()
    eventually(lambda: bool(answered))
    client.disconnect()
    client.loop_stop()


def register_over_tcp(port: int, certificate: Certificate) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as sock:
        sock.sendall(f"{certificate.project_key}&{certificate.access_token}\n".encode())
        with contextlib.suppress(OSError):
            sock.recv(1)


def use_a_session(client: httpx.Client, running: Running, admin: dict[str, str]) -> str:
    """Logs in with a browser, rightly and wrongly, and out; the secret of the cookie."""
    page = {"X-Thingstead": "1", "Origin": running.server.url}
    path = "/api/v1/console/session"
    person = {name: admin[name] for name in ("account", "password")}
    for body in ({**person, "password": WRONG}, {**person, "account": WRONG}, person):
        answer = client.post(path, json=body, headers=page)
    name, _, secret = answer.headers["set-cookie"].partition(";")[0].partition("=")
    for value in (secret, WRONG, secret[:-1] + "x"):
        client.get(path, headers={**page, "Cookie": f"{name}={value}"})
    client.cookies.clear()
    client.delete(path, headers={**page, "Cookie": f"{name}={secret}"})
    return str(secret)


def use_everything(running: Running) -> list[str]:
    """Uses every kind of credential, rightly and wrongly; the secrets."""
    credentials, api, certificate = running.credentials, running.api, running.certificate
    keys = {name: getattr(credentials, name) for name in ("app_id", "access_key", "secret_key")}
    admin = {
        "app_id": credentials.app_id,
        "account": credentials.admin_account,
        "password": credentials.admin_password,
    }
    with httpx.Client(base_url=running.server.url, timeout=TIMEOUT_S, trust_env=False) as client:
        admin_token = client.post("/api/v1/admin_login", json=admin).json()["info"]["access_token"]
        app_token = client.post("/api/v1/access_token", json=keys).json()["info"]["access_token"]
        for _ in range(5):
            client.post("/api/v1/admin_login", json=admin | {"password": WRONG})
            client.post("/api/v1/admin_login", json=admin | {"account": WRONG})
            client.post("/api/v1/access_token", json=keys | {"secret_key": WRONG})
            client.get(f"/device/v1/{WRONG}/attributes", headers={"Project-Key": certificate.project_key})
        for token in (app_token, admin_token, WRONG):
            client.get("/api/v1/applications", headers={"Authorization": f"Bearer {token}"})
        client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        session = use_a_session(client, running, admin)
        on_plane = {"Project-Key": certificate.project_key}
        client.post(f"/device/v1/{certificate.access_token}/attributes", json={"t": 1}, headers=on_plane)
        client.post(f"/device/v1/{certificate.access_token}/attributes", content=b"{", headers=on_plane)
        client.post("/device/v1/certificate", json={"device_key": "K"}, headers=on_plane)
    customer = {"name": "c", "account": "c", "password": CUSTOMER_PASSWORD}
    api.call("POST", "/customer", json=customer)
    channels = [
        {"webhook": f"http://127.0.0.1:1/hook?token={ROBOT_TOKEN}", "secret": HOOK_SECRET},
        {"dingtalk": f"http://127.0.0.1:1/robot/send?access_token={ROBOT_TOKEN}"},
        {"telegram": {"bot_token": BOT_TOKEN, "chat_id": "1"}},
    ]
    group = api.call("POST", "/notify_group", json={"name": "g", "channels": channels})["id"]
    api.answer("POST", f"/notify_group/{group}/test")
    ports = running.server.ports
    for port, transport in ((ports["mqtt_port"], "tcp"), (ports["http_port"], "websockets")):
        for password in (certificate.project_key, WRONG):
            log_in(port, certificate.access_token, password, transport)
        for password in (credentials.view_secret, WRONG):
            log_in(port, credentials.view_key, password, transport)
    for token in (certificate.access_token, WRONG):
        register_over_tcp(ports["tcp_port"], Certificate("", token, certificate.project_key))
    secrets = [credentials.secret_key, credentials.admin_password, credentials.view_secret, credentials.access_key]
    secrets += [certificate.access_token, certificate.project_key, app_token, admin_token]
    secrets.append(session)
    return [*secrets, METRICS_TOKEN, SMTP_PASSWORD, CUSTOMER_PASSWORD, ROBOT_TOKEN, HOOK_SECRET, BOT_TOKEN, WRONG]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_credential_stands_in_the_log_of_a_whole_session_at_debug(
    start_server: StartServer, tmp_path: Path, log_format: str
) -> None:
    settings = {
        "THINGSTEAD_LOG_LEVEL": "debug",
        "THINGSTEAD_HTTP_METRICS_TOKEN": METRICS_TOKEN,
        "THINGSTEAD_NOTIFY_SMTP_PASSWORD": SMTP_PASSWORD,
        "THINGSTEAD_NOTIFY_TELEGRAM_API": "http://127.0.0.1:1",
    }
    server = start_server(tmp_path / "data", **settings)
    credentials = credentials_of(tmp_path / "data")
    with ProjectApi(server.url, credentials) as api:
        running = Running(server, credentials, api, api.create_device())
        secrets = use_everything(running)
        with MqttDevice(server.mqtt_port, running.certificate):
            assert server.stop() == 0
    written = json.dumps(server.records) + "".join(server.stray) + "".join(server.output)
    assert "log-ins fail repeatedly" in written  # what was done wrong is in the log, and so is debug
    assert server.logged("a client was not admitted")
    assert [secret for secret in secrets if any(form in written for form in forms(secret))] == []


def forms(secret: str) -> list[str]:
    """How a secret may look in a log: as it is, or its end as the bytes of a dump."""
    end = secret.encode()[-8:]
    return [secret, end.hex(), end.hex(" "), str(end)[2:-1], base64.b64encode(secret.encode()).decode()]


def test_a_first_start_without_a_terminal_keeps_the_credentials_in_a_file_of_its_owner(
    start_server: StartServer, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    server = start_server(folder)
    credentials = credentials_of(folder)
    with ProjectApi(server.url, credentials):
        pass
    assert server.stop() == 0
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    printed = "".join(server.output)
    line = f"Console: {server.url}/console/  account admin  password: admin_password in {folder / 'credentials.json'}"
    assert line in printed.splitlines()
    assert [secret for secret in (credentials.secret_key, credentials.admin_password) if secret in printed] == []


def test_a_first_start_prints_the_credentials_where_it_is_asked_to(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", "--print-credentials")
    assert server.printed("$DEVICE/attributes")
    assert server.stop() == 0
    assert "secret_key" in "".join(server.output)
    assert not (tmp_path / "data" / "credentials.json").exists()


def test_a_first_start_on_a_terminal_prints_the_credentials(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    ports = ("--host", "127.0.0.1", "--http-port", "0", "--mqtt-port", "0", "--tcp-port", "off")
    command = [sys.executable, "-m", "thingstead", "serve", "--data-dir", str(tmp_path / "data"), *ports]
    environ = {**os.environ, **CHEAP_PASSWORDS}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environ) as process:
        os.close(theirs)
        printed = b""
        while b"$DEVICE/attributes" not in printed:
            printed += os.read(ours, 65_536)
        process.terminate()
    os.close(ours)
    assert b"secret_key" in printed
    assert re.search(rb"Console: http://127\.0\.0\.1:\d+/console/  account admin  password \w{20}\r\n", printed)
    assert not (tmp_path / "data" / "credentials.json").exists()


def test_a_file_that_is_there_already_is_not_written_through(start_server: StartServer, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.touch(0o644)
    (folder / "credentials.json").symlink_to(elsewhere)
    start_server(folder).stop()
    assert elsewhere.read_bytes() == b""
    assert stat.S_IMODE((folder / "credentials.json").lstat().st_mode) == 0o600


def test_credentials_that_cannot_be_kept_leave_the_folder_empty(start_server: StartServer, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "credentials.json").mkdir()  # nothing can be put in its place
    done = thingstead(
        "serve",
        "--data-dir",
        folder,
        "--host",
        "127.0.0.1",
        "--http-port",
        "0",
        "--mqtt-port",
        "0",
        "--tcp-port",
        "off",
    )
    assert done.returncode == 2, done.stderr
    assert not (folder / "thingstead.sqlite").exists()
