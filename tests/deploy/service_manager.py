#!/usr/bin/python3
"""systemctl where no systemd runs: it starts and stops what the installed units say, as their user. It knows what the
documentation asks of it, and ignores the hardening."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
STATE = Path("/srv/units")  # a file with the process id of each service that runs
TIMEOUT_S = 100


def settings(unit: str) -> dict[str, list[str]]:
    """What a unit sets; a name may stand there several times."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text(encoding="utf-8").splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def start(unit: str) -> None:
    if unit.endswith(".timer"):
        settings(unit)
        return
    unit_settings = settings(f"{unit}.service")
    (user,) = unit_settings["User"]
    for folder in unit_settings.get("StateDirectory", []):
        state = Path("/var/lib", folder)
        state.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["chown", f"{user}:", state], check=True)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    environment |= dict(entry.split("=", 1) for entry in unit_settings.get("Environment", []))
    commands = [shlex.split(line.replace("%%", "%")) for line in unit_settings["ExecStart"]]
    commands += [shlex.split(line.replace("%%", "%")) for line in unit_settings.get("ExecStartPost", [])]
    if unit_settings["Type"] == ["oneshot"]:
        for command in commands:
            subprocess.run(command, user=user, group=user, extra_groups=[], env=environment, check=True)
    else:
        run(unit, commands[0], user, environment)


def run(unit: str, command: list[str], user: str, environment: dict[str, str]) -> None:
    """Starts a service, and returns when it says that it is ready."""
    STATE.mkdir(exist_ok=True)
    address = STATE / f"{unit}.notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (STATE / f"{unit}.log").open("ab") as log:
        manager.bind(str(address))
        address.chmod(0o777)
        manager.settimeout(1)
        environment |= {"NOTIFY_SOCKET": str(address)}
        process = subprocess.Popen(
            command,
            user=user,
            group=user,
            extra_groups=[],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        (STATE / unit).write_text(str(process.pid))
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in manager.recv(4096).split(b"\n"):
                    return
    sys.exit(f"{unit} is not ready:\n" + (STATE / f"{unit}.log").read_text(encoding="utf-8"))


def stop(unit: str) -> None:
    process_id = int((STATE / unit).read_text())
    os.kill(process_id, signal.SIGTERM)
    deadline = time.monotonic() + TIMEOUT_S
    while runs(process_id):
        if time.monotonic() > deadline:
            sys.exit(f"{unit} does not stop")
        time.sleep(0.05)


def runs(process_id: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def main(action: str, *units: str) -> None:
    units = tuple(unit for unit in units if not unit.startswith("-"))
    if action == "restart":
        for unit in units:
            stop(unit)
    for unit in units:
        if action in ("start", "restart", "enable"):
            start(unit)
        elif action == "stop":
            stop(unit)
        else:
            sys.exit(f"unknown: {action}")


if __name__ == "__main__":
    main(*sys.argv[1:])
