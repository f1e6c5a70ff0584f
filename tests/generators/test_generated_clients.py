"""Clients that foreign generators make from the OpenAPI document, used against a server."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.server_process import ServerProcess, init
from thingstead.services.registry.projects import Credentials

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INSTALL = ROOT / "script" / "client-generators"
PYTHON = ROOT / ".venv-generators" / "bin"
ANSWERS = {
    "tags": {"site": "north"},
    "listed": [21.5],
    "values": {"relay": True, "temperature": 21.5},
    "series": [21.5],
    "pushed": True,
    "unknown": 404,
    "deleted": True,
}

pytestmark = pytest.mark.external("bash", "node", "npm")


@pytest.fixture(scope="module")
def node_folder() -> Path:
    """Where the generator for TypeScript is installed; the one for Python is, too."""
    done = subprocess.run([INSTALL], capture_output=True, text=True, timeout=110, check=False)
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"the generators could not be installed: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generators") / "data"


@pytest.fixture(scope="module")
def credentials(data_dir: Path) -> Credentials:
    return init(data_dir)


@pytest.fixture(scope="module")
def server(data_dir: Path, credentials: Credentials) -> Iterator[ServerProcess]:
    """A server for both clients."""
    server = ServerProcess(data_dir).wait_until_serving()
    yield server
    server.kill()


@pytest.fixture
def folder(server: ServerProcess, tmp_path: Path) -> Path:
    """An empty folder with the document, as the server serves it."""
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{server.url}/openapi.json", trust_env=False).content)
    return tmp_path


def run(folder: Path, *command: str | Path) -> str:
    """What a program prints."""
    environ = {**os.environ, "PATH": f"{PYTHON}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def said(output: str) -> Any:
    return json.loads(output.splitlines()[-1])


def test_a_python_client_is_generated_without_warnings_and_its_calls_are_answered(
    node_folder: Path, folder: Path, server: ServerProcess, credentials: Credentials
) -> None:
    generator = (PYTHON / "openapi-python-client", "generate", "--path", "openapi.json", "--meta", "none")
    shown = run(folder, *generator, "--output-path", "generated", "--fail-on-warning")
    assert "unsupported" not in shown.lower()
    shutil.copy(HERE / "use.py", folder)
    keys = msgspec.json.encode(credentials).decode()
    answers = said(run(folder, PYTHON / "python", "use.py", server.url, keys))
    assert answers == {"device": "from Python", **ANSWERS}


def test_a_typescript_client_is_generated_and_its_typed_calls_are_answered(
    node_folder: Path, folder: Path, server: ServerProcess, credentials: Credentials
) -> None:
    (folder / "node_modules").symlink_to(node_folder / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    for name in ("openapi-ts.config.mjs", "tsconfig.json", "use.ts"):
        shutil.copy(HERE / name, folder)
    tools = folder / "node_modules" / ".bin"
    run(folder, tools / "openapi-ts")
    run(folder, tools / "tsc", "--project", ".")
    keys = msgspec.json.encode(credentials).decode()
    answers = said(run(folder, "node", "built/use.js", server.url, keys))
    assert answers == {"device": "from TypeScript", **ANSWERS}
