"""On a machine with only Python, by the lines of the documentation as they stand: installed, started as a service, a
device reports, a backup is taken, the version upgraded, lost keys are replaced, the release before is restored."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.deploy.machine import NOTHING, Machine, console_blocks, lacking, replaced, running_machine
from tests.deploy.test_wheel import run
from thingstead import __version__

ROOT = Path(__file__).resolve().parents[2]
INSTALL, UPGRADE, COMMANDS = (ROOT / "docs" / name for name in ("install.md", "upgrade.md", "cli.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = "/var/lib/thingstead"
NEXT = f"{__version__}.post1"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With what ``script/wheel`` made and ``deploy/`` on it."""
    if reason := lacking():
        pytest.skip(f"needs {reason}")
    folder = tmp_path_factory.mktemp("machine")
    folder.chmod(0o755)
    try:
        run(ROOT / "script" / "wheel", folder / "dist")
    except AssertionError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the build tools cannot be fetched here")
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    with running_machine(folder) as machine:
        yield machine


def of_the_next_release(wheel: Path) -> Path:
    """The same program, as if it were released again."""
    folder = wheel.parent / "next"
    folder.mkdir()
    target = folder / wheel.name.replace(__version__, NEXT, 1)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("METADATA"):
                data = data.replace(f"\nVersion: {__version__}\n".encode(), f"\nVersion: {NEXT}\n".encode())
            if name.endswith("RECORD"):
                data = data.replace(f"-{__version__}.dist-info".encode(), f"-{NEXT}.dist-info".encode())
            if name == "thingstead/__init__.py":
                data = data.replace(__version__.encode(), NEXT.encode())
            new.writestr(name.replace(f"-{__version__}.dist-info", f"-{NEXT}.dist-info"), data)
    return target


def follow(
    machine: Machine, page: Path, heading: str, number: int, stdin: str = "", told: Mapping[str, str] = NOTHING
) -> str:
    """Runs a block of the documentation, and compares what it prints with what the page shows; the output of all."""
    printed = ""
    for line, expected in console_blocks(page, heading)[number]:
        real = replaced(line, told)
        try:
            output = machine.run(real, stdin, network=" install " in real and "pip" in real)
        except AssertionError as error:
            if re.search("No matching distribution|Could not find a version|ConnectionError", str(error)):
                pytest.skip("the pinned packages cannot be fetched by pip here")
            raise
        if expected:
            assert output.strip() == expected.strip(), line
        printed += output
    return printed


def report_by_the_readme(machine: Machine, credentials: dict[str, str]) -> list[dict[str, object]]:
    script = "echo; ".join(re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
    output = machine.run(script, environ={name.upper(): value for name, value in credentials.items()})
    return [json.loads(text) for text in re.findall(r"\{.*?\}(?=\n|\{|$)", output)]


def steps(heading: str) -> list[str]:
    """The commands in the sentences of a list."""
    text = UPGRADE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"`((?:thingstead check|systemctl|curl) ?[^`]*)`", text)


@pytest.mark.timeout(400)
def test_everything_goes_by_the_documentation(machine: Machine) -> None:
    follow(machine, INSTALL, "As a service", 1)
    credentials = json.loads(machine.run(f"cat {DATA}/credentials.json"))
    assert json.loads(follow(machine, INSTALL, "First start", 0)) == credentials
    assert "credentials.json" not in machine.run(f"ls {DATA}")
    answers = report_by_the_readme(machine, credentials)
    assert answers[0] == {"result": 1}
    assert machine.run("curl -s -o /dev/null -w '%{http_code}' http://localhost:8080/console/") == "200"

    (now,) = re.findall("`(systemctl start thingstead-backup)`", INSTALL.read_text(encoding="utf-8"))
    machine.run(now)
    (backup,) = machine.run("ls -d /var/backups/thingstead/*").split()
    assert {"manifest.json", "thingstead.sqlite"} <= set(machine.run(f"ls {backup}").split())

    wheel = next((machine.folder / "dist").glob("thingstead-*.whl"))
    of_the_next_release(wheel).rename(machine.folder / "next.whl")
    wheel.rename(machine.folder / wheel.name)  # the release before
    (machine.folder / "next.whl").rename(machine.folder / "dist" / wheel.name.replace(__version__, NEXT, 1))
    follow(machine, UPGRADE, "Upgrade", 0)
    assert len(steps("Upgrade")) == 3
    for step in steps("Upgrade"):
        machine.run(step)
    assert machine.run("thingstead --version").strip().endswith(NEXT)

    lost = follow(
        machine,
        COMMANDS,
        "Beside a running server",
        0,
        "a new password\n" * 2,
        {"3f6k2m9q": credentials["app_id"]},
    )
    secret = re.findall(r"^secret_key +(\S+)$", lost, re.MULTILINE | re.IGNORECASE)
    access = re.findall(r"^access_key +(\S+)$", lost, re.MULTILINE | re.IGNORECASE)
    found = credentials | {"secret_key": secret[-1], "access_key": access[-1]}
    assert secret[-1] != credentials["secret_key"]
    assert report_by_the_readme(machine, found)[0] == {"result": 1}
    log_in = {"app_id": credentials["app_id"], "account": credentials["admin_account"], "password": "a new password"}
    answer = machine.run(
        "curl -s http://localhost:8080/api/v1/admin_login -H 'Content-Type: application/json' -d @-", json.dumps(log_in)
    )
    assert json.loads(answer)["result"] is True

    machine.run(f"sudo -u thingstead thingstead backup {DATA}/backups/schema-1-now --data-dir {DATA}")
    follow(
        machine,
        UPGRADE,
        "Back to the release before",
        0,
        told={"schema-<version>-<time>": "schema-1-now", "<old version>": f"{__version__}-py3-none-any"},
    )
    assert machine.run("thingstead --version").strip().endswith(__version__)
    assert report_by_the_readme(machine, found)[0] == {"result": 1}


@pytest.mark.skipif(shutil.which("uv") is None, reason="not installed: uv")
def test_uv_installs_it_as_a_tool(tmp_path: Path) -> None:
    run(ROOT / "script" / "wheel", tmp_path / "dist")
    (wheel,) = (tmp_path / "dist").glob("thingstead-*.whl")
    environment = os.environ | {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    subprocess.run(["uv", "tool", "install", "--quiet", wheel], env=environment, check=True, timeout=110)
    assert run(tmp_path / "bin" / "thingstead", "--version").strip().endswith(__version__)
