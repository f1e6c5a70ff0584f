"""Ports behind TLS: MQTT, HTTP and WebSocket, renewal, client certificates, and a load balancer in front."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.certificates import Authority, Signed
from tests.mqtt_device import MqttDevice
from tests.ota.fleet import FIRMWARE, Fleet, check
from tests.project_api import Certificate, ProjectApi
from tests.raw_device import CONNACK_ACCEPTED, TIMEOUT_S, connect_packet
from tests.running import Running, eventually
from tests.server_process import ServerProcess, StartServer, init

pytestmark = pytest.mark.external("openssl")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Signed:
    """The files that the server reads."""
    files = Signed(tmp_path / "cert", tmp_path / "key")
    for made, file in zip(authority.sign("first"), files, strict=True):
        shutil.copy(made, file)
    return files


@pytest.fixture
def running(tmp_path: Path, start_server: StartServer, files: Signed) -> Iterator[Running]:
    credentials = init(tmp_path / "data")
    proxied = {"kind": "mqtts", "port": 0, "proxy_protocol": True}
    server = start_server(
        tmp_path / "data",
        *("--tls-certificate", str(files.certificate), "--tls-key", str(files.key)),
        *("--mqtts-port", "0", "--https-port", "0"),
        THINGSTEAD_LISTENERS=json.dumps([proxied]),
    )
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())


def trusting(authority: Authority, own: Signed | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


@contextmanager
def secured_socket(port: int, context: ssl.SSLContext, header: bytes = b"") -> Iterator[ssl.SSLSocket]:
    """A connection behind TLS; ``header`` goes before it."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as plain:
        plain.sendall(header)
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            yield secured


def served_name(server: ServerProcess, port: str, authority: Authority) -> str:
    """The common name of the certificate that a new connection is shown."""
    with secured_socket(server.ports[port], trusting(authority)) as secured:
        certificate: Any = secured.getpeercert()
    name: str = dict(pair for [pair] in certificate["subject"])["commonName"]
    return name


def test_a_device_reports_over_mqtt_and_websocket_behind_tls(running: Running, authority: Authority) -> None:
    ports = running.server.ports
    with MqttDevice(ports["mqtts_port"], running.certificate, tls=trusting(authority)) as device:
        device.report({"n": 1})
    websocket = MqttDevice(ports["https_port"], running.certificate, transport="websockets", tls=trusting(authority))
    with websocket as device:
        device.report({"m": 2})
        assert device.next("attributes/response") == {"result": 1}
    assert running.api.attributes(running.device_id) == {"n": 1, "m": 2}


@pytest.mark.external("curl", "mosquitto_pub", "openssl")
def test_curl_and_mosquitto_speak_tls_with_us(running: Running, authority: Authority) -> None:
    ports, certificate = running.server.ports, running.certificate
    trusted = str(authority.certificate)
    who = ("-u", certificate.access_token, "-P", certificate.project_key)
    where = ("--cafile", trusted, "-h", "localhost", "-p", str(ports["mqtts_port"]))
    report = ("-q", "1", "-t", "attributes", "-m", '{"n": 1}')
    url = f"https://localhost:{ports['https_port']}/device/v1/{certificate.access_token}/attributes"
    read = ("-sS", "--cacert", trusted, "-H", f"Project-Key: {certificate.project_key}", url)
    for command in (["mosquitto_pub", *where, *who, *report], ["curl", *read]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"result": 1, "attributes": {"n": 1}}


def test_the_api_is_served_over_https(running: Running, authority: Authority) -> None:
    url = f"https://127.0.0.1:{running.server.ports['https_port']}/healthz"
    assert httpx.get(url, verify=trusting(authority), trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, verify=ssl.create_default_context(), trust_env=False)


def test_a_client_without_tls_is_turned_away_and_costs_nothing(running: Running) -> None:
    for port in ("mqtts_port", "https_port"):
        with socket.create_connection(("127.0.0.1", running.server.ports[port]), timeout=TIMEOUT_S) as plain:
            plain.sendall(connect_packet(running.certificate))
            assert CONNACK_ACCEPTED not in plain.recv(100)
    with running.device() as device:
        device.report({"n": 1})
    assert running.server.stray == []


def test_sighup_renews_the_certificate_and_open_connections_stay(
    running: Running, authority: Authority, files: Signed
) -> None:
    server = running.server
    with MqttDevice(server.ports["mqtts_port"], running.certificate, tls=trusting(authority)) as device:
        renewed = authority.sign("second")
        shutil.copy(renewed.certificate, files.certificate)
        shutil.copy(renewed.key, files.key)
        assert served_name(server, "mqtts_port", authority) == "first"
        server.process.send_signal(signal.SIGHUP)
        for port in ("mqtts_port", "https_port"):
            eventually(partial(_serves, server, port, authority, "second"))
        device.report({"n": 1})


def _serves(server: ServerProcess, port: str, authority: Authority, name: str) -> bool:
    return served_name(server, port, authority) == name


def test_a_certificate_that_cannot_be_used_leaves_the_one_before(
    running: Running, authority: Authority, files: Signed
) -> None:
    server = running.server
    shutil.copy(authority.sign("other").key, files.key)
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.logged("a TLS certificate could not be reloaded; the loaded one stays in use")) == 3)
    assert served_name(server, "mqtts_port", authority) == "first"
    assert _warnings(server) == ["certificate_not_reloaded"] * 3  # one for each port
    renewed = authority.sign("second")
    shutil.copy(renewed.certificate, files.certificate)
    shutil.copy(renewed.key, files.key)
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: _warnings(server) == [])


def _warnings(server: ServerProcess) -> list[str]:
    health = httpx.get(f"{server.url}/healthz").json()
    codes = [warning["code"] for warning in health.get("warnings", [])]
    return [code for code in codes if code != "database_unsafe"]  # PostgreSQL servers of tests wait for no disk


def test_the_address_behind_a_load_balancer_is_known_before_tls_begins(running: Running, authority: Authority) -> None:
    header = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 8883\r\n"
    with secured_socket(running.server.ports["listeners[0]"], trusting(authority), header) as secured:
        secured.sendall(connect_packet(running.certificate))
        assert secured.recv(4) == CONNACK_ACCEPTED
        logs = f"/device/{running.device_id}/connection_logs"
        eventually(lambda: running.api.call("GET", logs)["total"] == 1)
        assert running.api.call("GET", logs)["items"][0]["remote_address"] == "[2001:db8::7]:40000"


def test_a_client_certificate_is_asked_for_beside_the_credentials(
    tmp_path: Path, start_server: StartServer, files: Signed, authority: Authority
) -> None:
    credentials = init(tmp_path / "data")
    clients = Authority(tmp_path, "clients")
    shutil.copy(clients.certificate, tmp_path / "ca")
    server = start_server(
        tmp_path / "data",
        *("--tls-certificate", str(files.certificate), "--tls-key", str(files.key), "--mqtts-port", "0"),
        *("--tls-client-ca", str(tmp_path / "ca")),
    )
    with ProjectApi(server.url, credentials) as api:
        certificate = api.create_device()
    known, strange = clients.sign("known"), authority.sign("strange")
    port = server.ports["mqtts_port"]
    with MqttDevice(port, certificate, tls=trusting(authority, known)) as device:
        device.report({"n": 1})
    for own in (None, strange):
        assert _is_refused(port, certificate, trusting(authority, own))
    other = Authority(tmp_path, "others")
    shutil.copy(other.certificate, tmp_path / "ca")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: _is_refused(port, certificate, trusting(authority, known)))
    assert not _is_refused(port, certificate, trusting(authority, other.sign("newly known")))


def _is_refused(port: int, certificate: Certificate, context: ssl.SSLContext) -> bool:
    """Whether the handshake fails; in TLS 1.3 a client learns that with its first read."""
    try:
        with secured_socket(port, context) as secured:
            secured.sendall(connect_packet(certificate))
            return secured.recv(4) != CONNACK_ACCEPTED
    except OSError:
        return True


@pytest.mark.parametrize("broken", ["absent", "no certificate", "the key of another"])
def test_a_certificate_that_cannot_be_used_keeps_the_server_from_starting(
    tmp_path: Path, files: Signed, authority: Authority, broken: str
) -> None:
    if broken == "absent":
        files.key.unlink()
    elif broken == "no certificate":
        files.certificate.write_text("x")
    else:
        shutil.copy(authority.sign("other").key, files.key)
    server = ServerProcess(
        tmp_path / "data",
        *("--tls-certificate", str(files.certificate), "--tls-key", str(files.key), "--mqtts-port", "0"),
    )
    assert server.wait() == 2
    assert any("mqtts_port: " in line for line in server.stray)
    assert not (tmp_path / "data").exists()


def test_firmware_is_downloaded_over_tls_if_its_version_says_so(running: Running, authority: Authority) -> None:
    fleet = Fleet(running)
    fleet.version("1.1", https=True)
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0"})
        secured = check(device)["url"]
    assert secured.startswith("https://127.0.0.1:")
    address = secured.replace("127.0.0.1", "localhost")
    context = trusting(authority)
    answer = httpx.get(address, verify=context, trust_env=False)
    assert (answer.status_code, answer.content) == (200, FIRMWARE)
    resumed = httpx.get(address, headers={"Range": "bytes=100-"}, verify=context, trust_env=False)
    assert (resumed.status_code, resumed.content) == (206, FIRMWARE[100:])
