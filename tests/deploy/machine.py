"""A machine with only Python: this one, in namespaces of its own, so that nothing that is done to it stays."""

import contextlib
import json
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

PYTHON = "/usr/bin/python3"
PATH = "/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHANGED = ("etc", "opt", "usr/local", "var")  # folders that an installation writes to
OLDEST = (3, 11)
NOTHING: Mapping[str, str] = MappingProxyType({})


class Command(NamedTuple):
    """A line of the documentation, and what it says that this prints."""

    line: str
    expected: str


def lacking() -> str | None:
    """Why this machine cannot be used so."""
    if os.geteuid() != 0:
        return "root"
    try:
        found = json.loads(
            subprocess.run(
                [PYTHON, "-c", "import ensurepip, sys, venv; print(list(sys.version_info[:2]))"],
                capture_output=True,
                check=True,
            ).stdout
        )
        probe = "mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /etc"
        subprocess.run(
            ["unshare", "-mnp", "--fork", "sh", "-ec", f"mount -t tmpfs t /mnt; mkdir /mnt/u /mnt/w; {probe}"],
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "namespaces and the system's Python with venv"
    return None if tuple(found) >= OLDEST else "a newer Python of the system"


class Machine:
    """Runs commands as root, in ``/srv``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # that it sees as /srv
        self.environment = {"PATH": PATH, "HOME": "/srv", "LANG": "C.UTF-8"}
        self.environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        (folder / "bin").mkdir()
        programs = {
            "systemctl": (Path(__file__).parent / "service_manager.py").read_text(encoding="utf-8"),
            "sudo": '#!/bin/sh\nuser=$2\nshift 2\nexec runuser -u "$user" -- "$@"\n',
        }
        for name, text in programs.items():
            (folder / "bin" / name).write_text(text, encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        overlays = "".join(
            f"mkdir -p /mnt/{name}/u /mnt/{name}/w; "
            f"mount -t overlay overlay -o lowerdir=/{name},upperdir=/mnt/{name}/u,workdir=/mnt/{name}/w /{name}; "
            for name in CHANGED
        )
        mounts = f"mount --bind {folder} /srv; mount -t tmpfs t /mnt; {overlays} mount -t tmpfs t /tmp"
        init = "echo ready; while read -r _; do :; done"  # takes in what ends; ends with its input
        script = f"{mounts}; ip link set lo up; {init}"
        self._init = subprocess.Popen(
            [
                "unshare",
                "-mnp",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "bash",
                "-ec",
                script,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._init.stdout is not None
        assert self._init.stdout.readline() == b"ready\n"
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text(encoding="ascii")
        self._target = children.split()[0]

    def run(self, line: str, stdin: str = "", *, network: bool = False, environ: Mapping[str, str] = NOTHING) -> str:
        """What a line of shell prints. It must succeed."""
        spaces = ["-m", "-p"] if network else ["-m", "-p", "-n"]
        done = subprocess.run(
            ["nsenter", "-t", self._target, *spaces, "bash", "-euc", f"cd /srv\n{line}"],
            input=stdin,
            env=self.environment | dict(environ),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def close(self) -> None:
        """Everything on it ends."""
        self._init.kill()
        self._init.communicate()


@contextlib.contextmanager
def running_machine(folder: Path) -> Iterator[Machine]:
    machine = Machine(folder)
    try:
        yield machine
    finally:
        machine.close()


def console_blocks(page: Path, heading: str) -> list[list[Command]]:
    """The commands of each block of a chapter of the documentation."""
    text = page.read_text(encoding="utf-8")
    chapter = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter, heading
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", chapter[1], re.MULTILINE | re.DOTALL)
    return [_commands(textwrap.dedent(block)) for block in blocks]


def _commands(block: str) -> list[Command]:
    found: list[Command] = []
    for line in block.splitlines():
        if prompt := re.match(r"(?:old|new)?[#$] ", line):
            found.append(Command(line[prompt.end() :], ""))
        elif not line.startswith(" "):
            found[-1] = found[-1]._replace(expected=f"{found[-1].expected}{line}\n")
    return found


def replaced(line: str, placeholders: Mapping[str, str]) -> str:
    """A line with what its reader has to put in."""
    for placeholder, value in placeholders.items():
        line = line.replace(placeholder, value)
    return line
