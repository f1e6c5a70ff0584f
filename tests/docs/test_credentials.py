"""docs/credentials.md: each credential opens the doors that the table says, on a running server, and no other."""

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from bench.platform import ProjectApi, initialize, serving
from tests.project_api import Certificate
from tests.raw_device import CONNACK_ACCEPTED, connect_packet
from thingstead.api.endpoint import Access
from thingstead.api.routes import ENDPOINTS
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.protocol import ProtocolVersion

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "credentials.md").read_text(encoding="utf-8")
METRICS_TOKEN = "a token for metrics alone"
TIMEOUT_S = 30
V3_1_1 = ProtocolVersion.V3_1_1


class Held(NamedTuple):
    """What a caller may have."""

    project_key: str = ""
    access_token: str = ""  # of a device
    bearer: str = ""
    view_key: str = ""
    view_secret: str = ""
    cookie: str = ""  # of a browser, on a page of this server


class Listeners:
    """Tries what somebody holds at each door of a server."""

    def __init__(self, http_port: int, mqtt_port: int) -> None:
        self._http_port = http_port
        self._mqtt_port = mqtt_port

    def opened(self, held: Held) -> list[bool]:
        """In the order of the columns."""
        tries: list[Callable[[Held], bool]] = [
            lambda held: self._mqtt(held.access_token, held.project_key),
            self._planes,
            lambda held: self._status("POST", "/device/v1/certificate", held, {"device_key": "pump"}) == 200,
            lambda held: self._status("GET", "/api/v1/devices", held) == 200,
            lambda held: self._status("GET", "/api/v1/admins", held) == 200,
            lambda held: self._page_subscribes(held) if held.cookie else self._mqtt(held.view_key, held.view_secret),
            lambda held: self._status("GET", "/metrics", held) == 200,
        ]
        return [attempt(held) for attempt in tries]

    def _planes(self, held: Held) -> bool:
        paths = [f"/{plane}/{held.access_token or 'x' * 16}/attributes" for plane in ("device/v1", "app/device/v1")]
        device, application = (self._status("GET", path, held) == 200 for path in paths)
        assert device is application
        return device

    def _status(self, method: str, path: str, held: Held, body: Any = None) -> int:
        """The HTTP status; of a refusal within HTTP 200 its errcode."""
        headers = {"Project-Key": held.project_key, "Authorization": f"Bearer {held.bearer}"}
        if held.cookie:
            headers = {"Cookie": held.cookie, "X-Thingstead": "1", "Origin": self.origin}
        with closing(http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=TIMEOUT_S)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        errcode = json.loads(content).get("errcode") if content.startswith(b"{") else None
        return errcode or answer.status

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    def _page_subscribes(self, held: Held) -> bool:
        headers = {"Cookie": held.cookie, "Origin": self.origin}
        address = f"ws://127.0.0.1:{self._http_port}/mqtt"
        mqtt = [Subprotocol("mqtt")]
        with connect(address, additional_headers=headers, subprotocols=mqtt, proxy=None) as websocket:
            websocket.send(Connect(V3_1_1, "page", user_name=held.view_key).serialize(V3_1_1))
            return websocket.recv(TIMEOUT_S) == CONNACK_ACCEPTED

    def _mqtt(self, user_name: str, password: str) -> bool:
        with socket.create_connection(("127.0.0.1", self._mqtt_port), timeout=TIMEOUT_S) as sock:
            sock.sendall(connect_packet(Certificate("", user_name, password)))
            return sock.recv(4) == CONNACK_ACCEPTED


class Opened(NamedTuple):
    """A server, and what each credential of the page consists of, by the beginning of its row."""

    doors: Listeners
    holders: dict[str, Held]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp("server") / "data"
    made = initialize(folder)
    config = folder.parent / "thingstead.toml"
    config.write_text(f'[http]\nmetrics_token = "{METRICS_TOKEN}"\n', encoding="utf-8")
    with serving(folder, "--config", str(config)) as (_, http_port, mqtt_port), closing(ProjectApi(http_port)) as api:
        log_in = {"app_id": made["app_id"], "account": made["admin_account"], "password": made["admin_password"]}
        administrator = api.call("POST", "/admin_login", log_in)["access_token"]
        api.log_in(made)
        device = api.call("POST", "/device", {"name": "Pump", "device_key": "pump"})["id"]
        access_token = api.call("GET", f"/device/{device}/certificate")["access_token"]
        scope = {"devices": [device], "topics": ["attributes"], "reads": ["attributes"]}
        scoped = api.call("POST", "/scoped_token", scope)
        project_key = made["project_key"]
        holders = {
            "nothing": Held(),
            "**ProjectKey** alone": Held(project_key),
            "**device certificate**": Held(project_key, access_token),
            "**AccessToken of an application**": Held(bearer=api.token),
            "**AccessToken of an administrator**": Held(bearer=administrator),
            "**session of an administrator**": Held(
                view_key=made["view_key"], cookie=log_in_with_a_browser(http_port, log_in)
            ),
            "**ProjectViewKey and ProjectViewSecret**": Held(
                view_key=made["view_key"], view_secret=made["view_secret"]
            ),
            "**scoped token**": Held(bearer=scoped["token"], view_key=scoped["view_key"], view_secret=scoped["token"]),
            "**`http.metrics_token`**": Held(bearer=METRICS_TOKEN),
        }
        yield Opened(Listeners(http_port, mqtt_port), holders)


def log_in_with_a_browser(http_port: int, log_in: dict[str, str]) -> str:
    """The cookie of a session."""
    body = {name: log_in[name] for name in ("account", "password")}
    headers = {"X-Thingstead": "1", "Origin": f"http://127.0.0.1:{http_port}"}
    with closing(http.client.HTTPConnection("127.0.0.1", http_port, timeout=TIMEOUT_S)) as connection:
        connection.request("POST", "/api/v1/console/session", json.dumps(body), headers)
        return str(connection.getresponse().headers["set-cookie"]).partition(";")[0]


def rows() -> dict[str, list[bool]]:
    """The first table: which doors the page says that each credential opens."""
    lines = PAGE.split("|---|---|---|---|---|---|---|---|\n", 1)[1].split("\n\n", 1)[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [cell == "yes" for cell in doors] for name, *doors in cells}


def test_each_credential_opens_what_the_page_says_and_nothing_else(opened: Opened) -> None:
    said, found = rows(), {}
    for name in said:
        held = [held for begin, held in opened.holders.items() if name.startswith(begin)]
        assert len(held) == 1, name
        found[name] = opened.doors.opened(held[0])
    assert found == said
    assert len(found) == len(opened.holders)


def test_one_half_of_a_credential_or_another_s_half_opens_nothing(opened: Opened) -> None:
    device = opened.holders["**device certificate**"]
    view = opened.holders["**ProjectViewKey and ProjectViewSecret**"]
    nothing = [False] * 7
    for held in (
        Held(access_token=device.access_token),
        Held(view_key=view.view_key),
        Held(view_key=view.view_key, view_secret=device.project_key),
        Held(project_key=view.view_key, access_token=device.access_token),
        Held(bearer=device.access_token),
        Held(bearer=view.view_secret),
    ):
        assert opened.doors.opened(held) == nothing, held


def test_the_page_names_the_endpoints_of_administrators() -> None:
    prefixes = (
        "/api/v1/application",
        "/api/v1/admin",
        "/api/v1/audit_logs",
        "/api/v1/retention",
        "/api/v1/server",
        "/api/v1/project/",
        "/api/v1/console/",
    )
    others = [
        f"{endpoint.method} {endpoint.path}"
        for endpoint in ENDPOINTS
        if endpoint.access is Access.ADMINISTRATOR and not endpoint.path.startswith(prefixes)
    ]
    assert others[0] == "PUT /api/v1/project"
    assert {name.split("/")[3] for name in others[1:]} == {"device_views", "device_view"}, "of the caller's own"
    assert [
        prefix for prefix in (*prefixes, *(name.split("{")[0] for name in others)) if f"`{prefix}" not in PAGE
    ] == []


def test_the_endpoints_that_make_or_end_credentials_exist() -> None:
    known = {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    named = set(re.findall(r"`((?:GET|POST|PUT|DELETE) /\S+?)`", PAGE))
    assert len(named) > 8
    assert named - known == set()
