"""Runs commands of the command line, each in a process of its own, without starting an interpreter for each.

A helper process imports all commands once, has no threads, and forks for every command that a test asks for:
``python -m tests.command_line FD`` serves a socket. How an interpreter starts is for ``tests/cli/test_modules.py``.
"""

import atexit
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

ANSWER_BYTES = 100


class CommandLine:
    """One helper process, started when the first command is run."""

    def __init__(self) -> None:
        self._helper: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def run(
        self, arguments: list[str], stdin: str, environ: dict[str, str], timeout_s: float
    ) -> "subprocess.CompletedProcess[str]":
        """The command at its end; subprocess.TimeoutExpired where it takes longer."""
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("stdin", "stdout", "stderr")]
            Path(files[0]).write_text(stdin, encoding="utf-8")
            request = {"arguments": arguments, "environ": environ, "folder": str(Path.cwd()), "files": files}
            code = self._ask(json.dumps(request).encode(), arguments, timeout_s)
            stdout, stderr = (Path(file).read_text(encoding="utf-8") for file in files[1:])
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    def _ask(self, request: bytes, arguments: list[str], timeout_s: float) -> int:
        connection = self._connected()
        connection.settimeout(timeout_s)
        connection.sendall(len(request).to_bytes(4, "big") + request)
        try:
            return int(connection.recv(ANSWER_BYTES))
        except TimeoutError:
            self.close()
            raise subprocess.TimeoutExpired(arguments, timeout_s) from None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", "tests.command_line", str(theirs.fileno())]
                root = Path(__file__).resolve().parents[1]
                self._helper = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=root, start_new_session=True)
            atexit.register(self.close)
        return self._socket

    def close(self) -> None:
        """Ends the helper, and whatever command still runs."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._helper is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._helper.pid, 9)
            self._helper.wait()
            self._helper = None


def serve(connection: socket.socket) -> None:
    """Forks for each request, and answers with the exit code, until the other side is gone."""
    commands = importlib.import_module("thingstead.cli.commands")
    for module in commands.MODULES.values():
        importlib.import_module(module)
    while head := connection.recv(4, socket.MSG_WAITALL):
        request = json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        process = os.fork()
        if process == 0:
            connection.close()
            os._exit(_run(commands.main, **request))
        _, status = os.waitpid(process, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _run(main: Any, arguments: list[str], environ: dict[str, str], folder: str, files: list[str]) -> int:
    for descriptor, (file, flags) in enumerate(zip(files, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(file, flags, 0o600), descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["thingstead", *arguments]
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
