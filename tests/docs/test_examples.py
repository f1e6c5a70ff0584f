"""The programs in examples/ do what they say, against a real server."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.docs.conftest import Installation

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(installation: "Installation", program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / program, *arguments],
        env={"PATH": os.environ["PATH"], **installation.variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def backend(installation: "Installation", *arguments: str) -> str:
    return run(installation, "backend.py", "--url", f"http://127.0.0.1:{installation.http_port}", *arguments)


def test_the_device_reports_and_the_back_end_sees_it(installation: "Installation") -> None:
    device = installation.api.create_devices(1, [])[0]
    port = str(installation.mqtt_port)
    reported = run(
        installation, "device.py", "--host", "127.0.0.1", "--port", port, "--access-token", device.access_token,
        "--interval", "0", "--count", "2",
    )  # fmt: skip
    assert "reported 2" in reported
    assert len(installation.api.series(device, "temperature", 1)) == 2
    line = next(line for line in backend(installation).splitlines() if line.startswith(device.id))
    assert "bench 0" in line
    assert "relay=false" in line


def test_a_push_of_the_back_end_reaches_the_device(installation: "Installation") -> None:
    device = installation.api.create_devices(1, [])[0]
    process = subprocess.Popen(
        [
            sys.executable, "-u", EXAMPLES / "device.py", "--host", "127.0.0.1", "--port", str(installation.mqtt_port),
            "--access-token", device.access_token, "--project-key", device.project_key, "--interval", "60",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout)
            assert {next(lines).strip() for _ in range(3)} == {"connected", "subscribed", "reported 1"}
            assert "relay=true" in backend(installation, "--device", device.id, "--push", "relay=true")
            assert next(lines).strip() == "attributes/push {'relay': True}"
            backend(installation, "--device", device.id, "--command", "toggle")
            assert next(lines).startswith("command/send/1000 {'method': 'toggle'")
        finally:
            process.kill()
