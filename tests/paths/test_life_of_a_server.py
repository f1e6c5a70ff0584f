"""Starting, stopping, dying and starting again, as processes over real sockets."""

import itertools
import os
import pty
import signal
from pathlib import Path

import httpx
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.mqtt_device import MqttDevice
from tests.project_api import ProjectApi
from tests.raw_device import PINGREQ, PINGRESP, RawDevice, publish_packet
from tests.running import Running, disk_held, eventually
from tests.server_process import ServerProcess, StartServer, thingstead


def test_healthz_answers_200_as_soon_as_the_log_says_serving(running: Running) -> None:
    assert httpx.get(f"{running.server.url}/healthz").status_code == 200


def test_an_idle_server_takes_less_than_100_mb(running: Running) -> None:
    status = Path(f"/proc/{running.server.process.pid}/status").read_text()
    resident_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident_kib * 1024 < 100_000_000


def test_an_empty_folder_is_initialized_and_the_credentials_printed_once(
    tmp_path: Path, start_server: StartServer
) -> None:
    first = start_server(tmp_path / "empty", "--print-credentials")
    assert first.stop() == 0
    printed = "".join(first.output)
    assert "access_key" in printed
    assert "$DEVICE/attributes" in printed
    second = start_server(tmp_path / "empty", "--print-credentials")
    assert second.stop() == 0
    assert second.output == []


def test_sigterm_stops_cleanly_and_everything_acknowledged_is_there_after_a_restart(
    running: Running, start_server: StartServer
) -> None:
    with running.device() as device:
        for value in range(50):
            device.report({"temperature": value})
        assert running.server.stop(signal.SIGTERM) == 0
        assert device.disconnected.wait(30)
    assert running.server.stray == []
    with ProjectApi(start_server().url, running.credentials) as api:
        assert api.series(running.device_id, "temperature") == list(range(49, -1, -1))
        assert api.device(running.device_id)["online"] is False


def test_sigint_stops_cleanly_too(running: Running) -> None:
    assert running.server.stop(signal.SIGINT) == 0


def test_sighup_leaves_a_server_without_tls_as_it_is(running: Running) -> None:
    with running.device() as device:
        running.server.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.server.logged("no port uses TLS: there is no certificate to reload") != [])
        device.report({"n": 1})
    assert running.server.stop() == 0


def test_a_terminal_that_is_closed_stops_the_server_cleanly(tmp_path: Path) -> None:
    terminal, stdin = pty.openpty()
    server = ServerProcess(tmp_path / "data", stdin=stdin).wait_until_serving()
    os.close(stdin)
    os.close(terminal)
    assert server.stop(signal.SIGHUP) == 0
    assert server.records[-1]["event"] == "stopped"


def test_a_second_signal_ends_a_server_at_once_that_cannot_stop(running: Running) -> None:
    with RawDevice(running.server.mqtt_port, running.certificate) as device, disk_held(running.server.data_dir):
        device.send(publish_packet(1, b'{"x":1}') + PINGREQ)
        device.receive(len(PINGRESP))
        running.server.process.send_signal(signal.SIGTERM)
        eventually(lambda: bool(running.server.logged("stopping")))
        assert running.server.stop(signal.SIGTERM) == 128 + signal.SIGTERM


def test_an_mqtt_5_client_is_told_that_the_server_shuts_down(running: Running) -> None:
    with MqttDevice(running.server.mqtt_port, running.certificate, version=MQTTProtocolVersion.MQTTv5) as device:
        assert running.server.stop() == 0
        assert device.disconnected.wait(30)
        assert device.reason == 0x8B


@pytest.mark.parametrize("round_number", range(3))
def test_a_killed_server_has_kept_every_report_that_it_acknowledged(
    running: Running, start_server: StartServer, round_number: int
) -> None:
    with running.device() as device:
        numbers = itertools.count()
        by_packet = {}
        # The kill comes in the middle: while acknowledgements arrive, and others are still to come.
        while len(device.acknowledged) < 200 * (round_number + 1):
            number = next(numbers)
            info = device.publish("attributes", {"n": number})
            by_packet[info.mid] = number
            if number - len(device.acknowledged) > 100:
                info.wait_for_publish(0.01)
        running.server.kill()
        assert device.disconnected.wait(30)
    acknowledged = {by_packet[packet_id] for packet_id in device.acknowledged}
    with ProjectApi(start_server().url, running.credentials) as api:
        kept = api.series(running.device_id, "n")
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))


def test_devices_types_tags_and_tokens_outlive_a_restart(running: Running, start_server: StartServer) -> None:
    with ProjectApi(running.server.url, running.credentials) as api:
        type_id = api.call("POST", "/device_type", json={"name": "pump type"})["id"]
        device = api.create_device(type=type_id, tags={"site": "north"}, device_key="K1")
        before = api.device(device.device_id)
    running.server.stop()
    with ProjectApi(start_server().url, running.credentials) as api:
        assert api.device(device.device_id) == before


@pytest.mark.embedded
def test_a_second_server_on_the_folder_is_refused_naming_the_first(running: Running, tmp_path: Path) -> None:
    done = thingstead("serve", "--data-dir", tmp_path / "data", "--http-port", "0", "--mqtt-port", "0")
    assert done.returncode == 1
    assert f"in use by a running server (pid {running.server.process.pid})" in done.stderr
    assert "Traceback" not in done.stderr
    assert httpx.get(f"{running.server.url}/healthz").status_code == 200


@pytest.mark.embedded
def test_a_taken_port_is_refused_and_an_empty_folder_stays_empty(running: Running, tmp_path: Path) -> None:
    port = str(running.server.mqtt_port)
    flags = ("--host", "127.0.0.1", "--http-port", "0", "--mqtt-port", port)
    done = thingstead("serve", "--data-dir", tmp_path / "other", *flags)
    assert done.returncode == 1
    assert f"mqtt_port: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert not (tmp_path / "other").exists()
