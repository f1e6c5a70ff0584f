"""A server as a process of its own, as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.command_line import CommandLine
from thingstead.services.registry.projects import Credentials

TIMEOUT_S = 30
COMMAND_LINE = CommandLine()
PROGRAM = (sys.executable, "-m", "thingstead")
CHEAP_PASSWORDS = {
    "THINGSTEAD_ACCOUNT_PASSWORD_HASH_MEMORY_KIB": "8192",
    "THINGSTEAD_ACCOUNT_PASSWORD_HASH_PASSES": "1",
}


def thingstead(*arguments: str | Path, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command of the command line to its end."""
    return COMMAND_LINE.run([*map(str, arguments)], stdin, {**os.environ, **CHEAP_PASSWORDS, **environ}, TIMEOUT_S)


def init(data_dir: Path) -> Credentials:
    """Initialises a data folder."""
    done = thingstead("init", "--data-dir", data_dir, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Credentials)


class ServerProcess:
    """``thingstead serve`` on free ports of 127.0.0.1, logging JSON."""

    def __init__(
        self, data_dir: Path, *flags: str, stdin: Any = None, program: Sequence[str] = PROGRAM, **environ: str
    ) -> None:
        self.data_dir = data_dir
        ports = ("--host", "127.0.0.1", "--http-port", "0", "--mqtt-port", "0", "--tcp-port", "0")
        self.process = subprocess.Popen(
            [*program, "serve", "--data-dir", str(data_dir), *ports, *flags],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **CHEAP_PASSWORDS, "THINGSTEAD_LOG_FORMAT": "json", **environ},
        )
        self.records: list[dict[str, Any]] = []  # log lines
        self.stray: list[str] = []  # lines on standard error that are no log lines
        self.output: list[str] = []  # lines on standard output
        self.http_port = self.mqtt_port = 0
        self.ports: dict[str, int] = {}  # those that are open, by the setting that asks for them
        self._serving = threading.Event()
        self._print = threading.Condition()  # held while `output` changes
        self._output_ended = False
        self._readers = [threading.Thread(target=self._read_log), threading.Thread(target=self._read_output)]
        for reader in self._readers:
            reader.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def wait_until_serving(self) -> "ServerProcess":
        """Returns when the log says that the ports are open."""
        assert self._serving.wait(TIMEOUT_S), "the server does not serve"
        assert self.http_port, f"the server ended: {self.stray} {self.records}"
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """Ends the process without giving it time to do anything (SIGKILL)."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Waits for the end; the exit code."""
        code = self.process.wait(TIMEOUT_S)
        for reader in self._readers:
            reader.join()
        return code

    def printed(self, text: str) -> bool:
        """Waits until standard output has a line with ``text``; False if it ends without one."""
        with self._print:
            return self._print.wait_for(lambda: self._has_printed(text) or self._output_ended, TIMEOUT_S) and (
                self._has_printed(text)
            )

    def _has_printed(self, text: str) -> bool:
        return any(text in line for line in self.output)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log lines with this event."""
        return [record for record in self.records if record["event"] == event]

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    self.stray.append(line)
                    continue
                self.records.append(record)
                if record["event"] == "serving":
                    self.http_port, self.mqtt_port = record["http_port"], record["mqtt_port"]
                    self.ports = {name: value for name, value in record.items() if name.endswith(("_port", "]"))}
                    self._serving.set()
        self._serving.set()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._print:
                    self.output.append(line)
                    self._print.notify_all()
        with self._print:
            self._output_ended = True
            self._print.notify_all()


StartServer = Callable[..., ServerProcess]  # (data_dir, *flags, **environ), as the fixture start_server gives it
