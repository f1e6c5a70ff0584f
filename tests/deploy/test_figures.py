"""What an operator sees of a running server: metrics and the access log."""

from pathlib import Path

import httpx

from tests.certificates import Authority
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import ServerProcess, StartServer, init

PORTS = ("https_port", "mqtts_port")


def figures(server: ServerProcess) -> dict[str, float]:
    """Every sample, by its name with labels."""
    lines = httpx.get(f"{server.url}/metrics", trust_env=False).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_devices_refusals_and_durations_are_counted(tmp_path: Path, start_server: StartServer) -> None:
    credentials = init(tmp_path / "data")
    server = start_server()
    with ProjectApi(server.url, credentials) as api:
        running = Running(server, credentials, api, api.create_device())
        api.create_device()
        with running.device() as device:
            device.publish("attributes", {"n": 1}).wait_for_publish(20)
            device.publish("attributes", "no object").wait_for_publish(20)
            assert api.answer("GET", "/device/nobody")["code"] == "no_such_device"
            seen = figures(server)
            assert (seen["thingstead_devices"], seen["thingstead_devices_online"]) == (2, 1)
            assert seen['thingstead_api_refusals_total{code="no_such_device"}'] == 1
            assert seen['thingstead_messages_refused_total{code="json_object_expected"}'] == 1
            assert seen['thingstead_http_request_seconds_count{plane="api"}'] >= 4
            assert seen['thingstead_buffers_bytes{kind="all"}'] >= 0
        eventually(lambda: figures(server)["thingstead_devices_online"] == 0)
    assert not [name for name in figures(server) if name.startswith("thingstead_certificate")]


def test_the_expiry_of_the_certificate_of_each_tls_port_is_shown(tmp_path: Path, start_server: StartServer) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("own")
    init(tmp_path / "data")
    files = ("--tls-certificate", str(signed.certificate), "--tls-key", str(signed.key))
    server = start_server(tmp_path / "data", *files, "--https-port", "0", "--mqtts-port", "0")
    seen = figures(server)
    shown = [seen[f'thingstead_certificate_not_after_timestamp_seconds{{port="{port}"}}'] for port in PORTS]
    start = seen["process_start_time_seconds"]
    assert all(29 * 86_400 < until - start < 31 * 86_400 for until in shown)


def test_requests_are_logged_by_route_where_the_setting_says_so(tmp_path: Path, start_server: StartServer) -> None:
    credentials = init(tmp_path / "data")
    server = start_server(THINGSTEAD_HTTP_ACCESS_LOG="true")
    with ProjectApi(server.url, credentials) as api:
        device = api.create_device()
        headers = {"Project-Key": device.project_key}
        path = f"{server.url}/device/v1/{device.access_token}/attributes"
        httpx.post(path, json={"n": 1}, headers=headers, trust_env=False)
        api.answer("GET", "/device/nobody?secret=1")
    assert server.stop() == 0
    lines = server.logged("http request")
    assert [(line["method"], line["route"], line["status"], line.get("code")) for line in lines[-2:]] == [
        ("POST", "/device/v1/{access_token}/attributes", 200, None),
        ("GET", "/api/v1/device/{device_id}", 200, "no_such_device"),
    ]
    assert all(line["took_ms"] >= 0 and line["remote_address"] == "127.0.0.1" for line in lines)
    written = str(lines)
    assert not [secret for secret in (device.access_token, device.project_key, "secret=1") if secret in written]


def test_requests_are_not_logged_by_default(running: Running) -> None:
    assert running.api.answer("GET", "/project")["result"] is True
    assert running.server.stop() == 0
    assert running.server.logged("http request") == []


def test_first_connections_failed_log_ins_and_refused_messages_are_logged(running: Running) -> None:
    server = running.server
    for _ in range(2):
        with running.device() as device:
            device.publish("attributes", "no object").wait_for_publish(20)
    wrong = {"app_id": "x", "access_key": "a secret", "secret_key": "another secret"}
    httpx.post(f"{server.url}/api/v1/access_token", json=wrong, trust_env=False)
    assert server.stop() == 0
    (first,) = server.logged("a device connected for the first time")
    assert (first["level"], first["device"], first["protocol"]) == ("info", running.device_id, "mqtt")
    refused = server.logged("message refused")
    assert [(line["level"], line["topic"], line["code"]) for line in refused] == [
        ("info", "attributes", "json_object_expected")
    ] * 2
    (failed,) = server.logged("log-in failed")
    assert (failed["level"], failed["kind"], failed["remote_address"]) == ("info", "application", "127.0.0.1")
    assert "secret" not in str(server.records)
