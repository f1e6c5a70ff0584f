"""The shipped configuration of HAProxy in front of a pair: devices and people follow the active node without hands."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.faults.nodes import Cluster, NodeOfRun, free_port
from tests.postgres_server import PostgresServer
from tests.project_api import Certificate, ProjectApi
from thingstead.client import Broker, MqttDevice, mqtt_session
from thingstead.client import Certificate as DeviceCertificate
from thingstead.services.registry.projects import Credentials

HAPROXY = Path(__file__).resolve().parents[2] / "deploy" / "cluster" / "haproxy.cfg"
SESSION = "/api/v1/console/session"
TIMEOUT_S = 60
CLUSTER_PAGE = HAPROXY.parents[2] / "docs" / "cluster.md"


def configuration(nodes: list[NodeOfRun], http_port: int, mqtt_port: int) -> str:
    """The shipped one with the nodes and ports of the test, without the names of containers and raw TCP."""
    text = HAPROXY.read_text(encoding="utf-8")
    text = re.sub(r"resolvers docker\n.*?\n\n", "", text, flags=re.DOTALL)
    text = re.sub(r"listen tcp\n.*", "", text, flags=re.DOTALL).replace(" resolvers docker init-addr none", "")
    text = text.replace("default-server port 8080", "default-server").replace("maxconn 200000", "maxconn 200")
    text = text.replace("bind :8080", f"bind 127.0.0.1:{http_port}").replace(
        "bind :1883", f"bind 127.0.0.1:{mqtt_port}"
    )
    for number, node in enumerate(nodes, 1):
        check = f"check port {node.http_port}"
        text = text.replace(f"node{number}:8080 check", f"127.0.0.1:{node.http_port} {check}")
        text = text.replace(f"node{number}:1883 check", f"127.0.0.1:{node.mqtt_port} {check}")
    return text


@pytest.fixture
async def cluster(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path, postgres_server)
    try:
        yield await cluster.start()
    finally:
        await cluster.close()


@pytest.mark.external("haproxy")
async def test_a_device_and_a_caller_follow_the_active_node_through_the_balancer(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_session, "PAUSE_MAX_S", 0.5)
    http_port, mqtt_port = free_port(), free_port()
    file = tmp_path / "haproxy.cfg"
    file.write_text(configuration(cluster.nodes, http_port, mqtt_port))
    balancer = await asyncio.create_subprocess_exec(
        "haproxy", "-f", str(file), "-db", stderr=asyncio.subprocess.DEVNULL
    )
    credentials = msgspec.json.decode(cluster.credentials_json, type=Credentials)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await ready(http_port)
            certificate = await asyncio.to_thread(create, http_port, credentials)
            keys = DeviceCertificate(certificate.access_token, certificate.project_key)
            origin = f"http://127.0.0.1:{http_port}"
            device = MqttDevice(keys, Broker("127.0.0.1", mqtt_port), timeout_s=TIMEOUT_S)
            async with device, httpx.AsyncClient(base_url=origin, trust_env=False) as person:
                person.headers.update({"X-Thingstead": "1", "Origin": origin})
                login = {"account": credentials.admin_account, "password": credentials.admin_password}
                assert (await person.post(SESSION, json=login)).json()["result"] is True
                assert (await person.get("/console/")).status_code == 200
                await device.report({"level": 1})
                active = await cluster.wait_active()
                await active.end()
                await device.report({"level": 2})
                await ready(http_port)
                assert await asyncio.to_thread(level, http_port, credentials, certificate) == 2
                assert (await person.get("/console/")).status_code == 200
                assert (await person.get(SESSION)).json()["result"] is True, "it is still logged in"
                active.start()
                other = await cluster.wait_active()
                assert other is not active
                await standing_by(active)
                await other.kill()
                await device.report({"level": 3})
                await ready(http_port)
                assert await asyncio.to_thread(level, http_port, credentials, certificate) == 3
    finally:
        balancer.kill()
        await balancer.wait()


def nginx_configuration(nodes: list[NodeOfRun], http_port: int, mqtt_port: int, folder: Path) -> str:
    """The one of docs/cluster.md, whole, with the nodes and ports of the test."""
    text = CLUSTER_PAGE.read_text(encoding="utf-8")
    [http, stream] = re.findall(r"```nginx\n(.*?)```", text, flags=re.DOTALL)
    module = next(iter(Path("/usr/lib/nginx/modules").glob("ngx_stream_module.so")), None)
    load = f"load_module {module};\n" if module else ""
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        f"{load}daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{http}}}\nstream {{\n{stream}}}\n"
    )
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"node{number}.example.com:8080", f"127.0.0.1:{node.http_port}")
        text = text.replace(f"node{number}.example.com:1883", f"127.0.0.1:{node.mqtt_port}")
    return text.replace("listen 8080", f"listen 127.0.0.1:{http_port}").replace(
        "listen 1883", f"listen 127.0.0.1:{mqtt_port}"
    )


@pytest.mark.external("nginx")
async def test_nginx_finds_the_active_node_by_asking_the_next_one(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_session, "PAUSE_MAX_S", 0.5)
    http_port, mqtt_port = free_port(), free_port()
    file = tmp_path / "nginx.conf"
    file.write_text(nginx_configuration(cluster.nodes, http_port, mqtt_port, tmp_path))
    proxy = await asyncio.create_subprocess_exec(
        "nginx", "-p", str(tmp_path), "-e", "stderr", "-c", str(file), stderr=asyncio.subprocess.DEVNULL
    )
    credentials = msgspec.json.decode(cluster.credentials_json, type=Credentials)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await ready(http_port)
            certificates = [await asyncio.to_thread(create, http_port, credentials) for _ in range(4)]
            keys = DeviceCertificate(certificates[0].access_token, certificates[0].project_key)
            async with MqttDevice(keys, Broker("127.0.0.1", mqtt_port), timeout_s=TIMEOUT_S) as device:
                await device.report({"level": 1})
                await (await cluster.wait_active()).end()
                await device.report({"level": 2})
                await ready(http_port)
                levels = [await asyncio.to_thread(level, http_port, credentials, certificates[0]) for _ in range(4)]
                assert levels == [2] * 4
    finally:
        proxy.terminate()
        await proxy.wait()


async def ready(http_port: int) -> None:
    """Returns when the balancer has a node to ask."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{http_port}/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def standing_by(node: NodeOfRun) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{node.http_port}/readyz")).json().get("code") == "standby":
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


def create(http_port: int, credentials: Credentials) -> Certificate:
    with ProjectApi(f"http://127.0.0.1:{http_port}", credentials) as api:
        return api.create_device()


def level(http_port: int, credentials: Credentials, certificate: Certificate) -> object:
    with ProjectApi(f"http://127.0.0.1:{http_port}", credentials) as api:
        return api.attributes(certificate.device_id)["level"]
