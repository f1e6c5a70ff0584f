"""The process of an attack: it shares nothing with the bystanders but the machine."""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SPARE_TIMEOUT_S = 60


class Target(NamedTuple):
    """What an attacker knows of the server. ``device`` and ``application`` are for those who have credentials."""

    http_port: int
    mqtt_port: int
    ports: dict[str, int]  # all that are open, by the setting that asks for them
    device: tuple[str, str, str]  # id, AccessToken and ProjectKey of a device that no bystander uses
    token: str  # of an application of the same project
    application: tuple[str, str, str]  # its AppID, AccessKey and SecretKey
    server_pid: int  # for those who look at its process
    seconds: float

    def until_over(self) -> Iterator[int]:
        """0, 1, 2 … for as long as the attack lasts."""
        end = time.monotonic() + self.seconds
        number = 0
        while time.monotonic() < end:
            yield number
            number += 1


# Attacks for ``target.seconds``; what it found out comes back as JSON.
Attack = Callable[[Target], Any]


class Attacker:
    """Runs a function of a module in a process of its own."""

    def __init__(self, attack: Attack, target: Target) -> None:
        self._seconds = target.seconds
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.attacker", attack.__module__, attack.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(target))
        self._process.stdin.close()
        self._process.stdin = None

    def result(self) -> Any:
        """What the function returned, when it has ended."""
        try:
            output, errors = self._process.communicate(timeout=self._seconds + SPARE_TIMEOUT_S)
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise
        assert self._process.returncode == 0, errors
        return json.loads(output)


def main() -> None:
    module, name = sys.argv[1:]
    attack: Attack = getattr(importlib.import_module(module), name)
    target = Target(*json.load(sys.stdin))
    json.dump(attack(target), sys.stdout)


if __name__ == "__main__":
    main()
