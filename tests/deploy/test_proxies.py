"""The shipped configurations of nginx and Caddy in front of a server: clients notice nothing but another address."""

import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.certificates import Authority
from tests.mqtt_device import MqttDevice
from tests.project_api import ProjectApi
from tests.raw_device import connect_packet
from tests.running import Running, eventually
from tests.server_process import ServerProcess, StartServer, init

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# What depends on the moment, or is the proxy's own.
OWN_HEADERS = {"alt-svc", "connection", "content-length", "date", "server", "transfer-encoding", "via"}
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/", {}),
    ("GET", "/console/", {}),
    ("HEAD", "/console/", {}),
    ("GET", "/console/boot.js", {"headers": {"Accept-Encoding": "identity"}}),
    ("GET", "/console/nothing.js", {}),
    ("GET", "/healthz", {}),
    ("GET", "/readyz", {}),
    ("GET", "/metrics", {}),
    ("GET", "/api/v1/console", {}),
    ("GET", "/api/v1/project", {}),
    ("GET", "/api/v1/devices?page_records=2", {}),
    ("GET", "/api/v1/devices?page_records=0", {}),
    ("GET", "/api/v1/device/%E6%B8%A9%E5%BA%A6", {}),
    ("GET", "/api/v1/nothing", {}),
    ("BREW", "/api/v1/project", {}),
    ("POST", "/api/v1/device", {"content": b'{"name": '}),
    ("POST", "/api/v1/device", {"content": b" " * (2 << 20)}),
    ("GET", "/openapi.json", {}),
)


class Front(NamedTuple):
    """A proxy that runs in front of a server."""

    running: Running
    https: int
    streams: dict[str, int]  # ports by the ones in the file
    authority: Authority

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.certificate))

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"https://localhost:{self.https}", verify=self.trust, trust_env=False, timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """The text with other addresses and files; each stands in it."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def running(tmp_path: Path, start_server: StartServer) -> Iterator[Running]:
    credentials = init(tmp_path / "data")
    listeners = '[{"kind":"mqtt","host":"127.0.0.1","port":0,"proxy_protocol":true}]'
    server = start_server(THINGSTEAD_LISTENERS=listeners, THINGSTEAD_HTTP_TRUSTED_PROXIES="127.0.0.1,::1")
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a proxy, waits for its ports, and ends it."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], ports: list[int], **environ: str) -> None:
        log = (tmp_path / "proxy.log").open("wb")
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environ}, cwd=tmp_path)
        begun.append(process)
        eventually(lambda: process.poll() is not None or all(map(accepts, ports)))
        assert process.poll() is None, (tmp_path / "proxy.log").read_text()

    yield start
    for process in begun:
        process.terminate()
        process.wait(20)


def nginx(tmp_path: Path, authority: Authority, server: ServerProcess) -> tuple[list[str], int, dict[str, int]]:
    """nginx with both files, its HTTPS port, and those of its streams."""
    signed = authority.sign("nginx")
    https, streams = free_port(), {name: free_port() for name in ("1883", "8883", "28801")}
    files = (
        ("/etc/thingstead/fullchain.pem", str(signed.certificate)),
        ("/etc/thingstead/privkey.pem", str(signed.key)),
    )
    http = replaced(
        (DEPLOY / "nginx" / "thingstead.conf").read_text(encoding="utf-8"),
        *files,
        ("listen 443 ssl", f"listen 127.0.0.1:{https} ssl"),
        ("server 127.0.0.1:8080", f"server 127.0.0.1:{server.http_port}"),
    )
    stream = replaced(
        (DEPLOY / "nginx" / "thingstead-stream.conf").read_text(encoding="utf-8"),
        *files,
        ("proxy_pass 127.0.0.1:11883", f"proxy_pass 127.0.0.1:{server.ports['listeners[0]']}"),
        *((f"listen {name}", f"listen 127.0.0.1:{port}") for name, port in streams.items()),
    )
    module = next(iter(sorted(Path("/usr/lib/nginx/modules").glob("ngx_stream_module.so"))), None)
    load = f"load_module {module};\n" if module else ""
    temporary = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"{load}daemon off;\npid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\n{stream}\n"
        f"http {{\naccess_log off;\n{temporary}{http}\n}}\n",
        encoding="utf-8",
    )
    command = ["nginx", "-p", str(tmp_path), "-e", "stderr", "-c", str(main)]
    return command, https, streams


def caddy(tmp_path: Path, authority: Authority, server: ServerProcess) -> tuple[list[str], int, dict[str, int]]:
    """Caddy with a certificate of ours in place of one that it would fetch."""
    signed = authority.sign("caddy")
    https, plain = free_port(), free_port()
    options = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {https}\n}}\n"
    text = (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    text = replaced(text, ("\tencode\n", f"\tbind 127.0.0.1\n\ttls {signed.certificate} {signed.key}\n\tencode\n"))
    file = tmp_path / "Caddyfile"
    file.write_text(options + text, encoding="utf-8")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)], https, {}


NGINX = pytest.param(nginx, id="nginx", marks=pytest.mark.external("nginx"))
CADDY = pytest.param(caddy, id="caddy", marks=pytest.mark.external("caddy"))


@pytest.fixture(params=[NGINX, CADDY])
def front(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    authority: Authority,
    running: Running,
    begin: Callable[..., None],
) -> Front:
    command, https, streams = request.param(tmp_path, authority, running.server)
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    upstream = f"127.0.0.1:{running.server.http_port}"
    begin(command, [https, *streams.values()], THINGSTEAD_UPSTREAM=upstream, THINGSTEAD_DOMAIN="localhost", **home)
    return Front(running, https, streams, authority)


def shown(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in response.headers.items() if name not in OWN_HEADERS}
    return response.status_code, headers, response.content


def test_every_answer_is_the_one_of_the_server_itself(front: Front) -> None:
    api = front.running.api
    with front.client() as proxied, httpx.Client(base_url=front.running.server.url, trust_env=False) as direct:
        for method, path, request in REQUESTS:
            headers = {**api.headers, "Host": f"localhost:{front.https}", **request.get("headers", {})}
            rest = {name: value for name, value in request.items() if name != "headers"}
            ours = shown(direct.request(method, path, headers={**headers, "X-Forwarded-Proto": "https"}, **rest))
            assert shown(proxied.request(method, path, headers=headers, **rest)) == ours, (method, path)


def test_a_page_that_a_browser_has_is_not_sent_again(front: Front) -> None:
    with front.client() as client:
        first = client.get("/console/")
        again = client.get("/console/", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_a_person_logs_in_and_may_change_things_through_it(front: Front) -> None:
    credentials = front.running.credentials
    origin = f"https://localhost:{front.https}"
    with front.client() as client:
        client.headers.update({"X-Thingstead": "1", "Origin": origin})
        body = {"account": credentials.admin_account, "password": credentials.admin_password}
        session = client.post("/api/v1/console/session", json=body)
        assert session.json()["result"] is True, session.text
        assert "Secure" in session.headers["set-cookie"]
        made = client.post("/api/v1/device", json={"name": "behind a proxy"})
        assert made.json()["result"] is True, made.text
        strange = client.post("/api/v1/device", json={"name": "x"}, headers={"Origin": "https://evil.example"})
        assert strange.status_code == 401


def test_an_address_that_a_client_makes_up_is_not_believed(front: Front) -> None:
    made_up = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.8"}
    keys = front.running.certificate
    with front.client() as client:
        for _ in range(3):  # what fails three times from one address is logged with that address
            body = {"app_id": "x", "access_key": "x", "secret_key": "x"}
            client.post("/api/v1/access_token", json=body, headers=made_up)
        path = f"/device/v1/{keys.access_token}/attributes"
        client.post(path, json={"n": 1}, headers={"Project-Key": keys.project_key, **made_up})
    eventually(lambda: front.running.server.logged("log-ins fail repeatedly") != [])
    assert "203.0.113" not in str(front.running.server.records)


def test_a_device_reports_by_mqtt_over_websocket_through_it(front: Front) -> None:
    device = MqttDevice(
        front.https, front.running.certificate, transport="websockets", tls=front.trust, host="localhost"
    )
    with device:
        device.report({"temperature": 21})
    assert front.running.api.attributes(front.running.device_id)["temperature"] == 21


@pytest.mark.parametrize("front", [NGINX], indirect=True)  # Caddy forwards no TCP streams without a plug-in
@pytest.mark.parametrize("port", ["1883", "8883"])
def test_the_server_knows_the_address_of_a_device_behind_the_streams(front: Front, port: str) -> None:
    certificate = front.running.certificate
    with socket.create_connection(("127.0.0.1", front.streams[port])) as plain:
        own = plain if port == "1883" else front.trust.wrap_socket(plain, server_hostname="localhost")
        with own:
            own.sendall(connect_packet(certificate))
            assert own.recv(4) == b"\x20\x02\x00\x00"
            name = own.getsockname()
            logs = f"/device/{front.running.device_id}/connection_logs"
            eventually(lambda: front.running.api.call("GET", logs)["total"] == 1)
            assert front.running.api.call("GET", logs)["items"][0]["remote_address"] == f"{name[0]}:{name[1]}"
