"""The wheels in environments of their own: the server as an operator installs it, and the client alone."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.running import Running
from tests.server_process import ServerProcess
from thingstead import __version__

ROOT = Path(__file__).resolve().parents[2]
CLIENT_NEEDS = ("httptools", "msgspec")
CLIENT_PROGRAM = """
import sys
from collections.abc import Iterator

from thingstead_client import ApplicationKeys, HttpDevice, Certificate, ProjectClient, __version__
from thingstead_client.errors import DeviceOffline
from thingstead_client.wire.devices import DeviceItem


def main(url: str, app_id: str, access_key: str, secret_key: str) -> None:
    with ProjectClient(url, ApplicationKeys(app_id, access_key, secret_key)) as api:
        pump = api.devices.create("Pump 3", tags={"site": "north"})
        keys = api.devices.certificate(pump.id)
        device = HttpDevice(url, Certificate(keys.access_token, keys.project_key))
        assert device.report({"temperature": 21.5}) == []
        device.close()
        found: Iterator[DeviceItem] = api.devices.search()
        assert pump.id in [item.id for item in found]
        [value] = [item.value for item in api.data.attributes(pump.id)]
        try:
            api.control.send_command(pump.id, "toggle")
        except DeviceOffline as offline:
            print(api.devices.read(pump.id).name, value, offline.code, __version__)


main(*sys.argv[1:])
"""
OTHER_PACKAGES = Path(next(path for path in sys.path if path.endswith("site-packages")))


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: str = done.stdout
    return said


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    try:
        run(ROOT / "script" / "wheel", folder)
    except AssertionError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the build tools cannot be fetched here")
    assert (folder / "requirements.txt").read_bytes() == (ROOT / "requirements" / "runtime.txt").read_bytes()
    return next(folder.glob("thingstead-*.whl"))


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client and the packages that it names, without a server."""
    environment = tmp_path_factory.mktemp("client")
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    packed = next(wheel.parent.glob("thingstead_client-*.whl"))
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip())
    for needed in CLIENT_NEEDS:  # copied, so that nothing has to be fetched
        for part in OTHER_PACKAGES.glob(f"{needed}*"):
            shutil.copytree(part, site / part.name)
    run(python, "-m", "pip", "install", "--no-index", "--disable-pip-version-check", packed)
    run(python, "-m", "pip", "check", "--disable-pip-version-check")
    return python


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        file.relative_to(ROOT / "src").as_posix()
        for package in ("thingstead", "thingstead_client")
        for file in (ROOT / "src" / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert packed == files
    assert wheel.name == f"thingstead-{__version__}-py3-none-any.whl"


def test_a_server_of_the_wheel_serves_the_console_and_its_own_version(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    # The pinned packages that this environment has already, so that none has to be fetched; ours is the wheel's.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    (Path(site) / "others.pth").write_text(f"{OTHER_PACKAGES}\n")
    where = run(python, "-P", "-c", "import thingstead; print(thingstead.__file__)", cwd=tmp_path)
    assert where.startswith(str(environment))
    assert run(environment / "bin" / "thingstead", "--version").strip().endswith(__version__)
    server = ServerProcess(tmp_path / "data", program=[str(environment / "bin" / "thingstead")])
    try:
        server.wait_until_serving()
        page = httpx.get(f"{server.url}/console/", trust_env=False)
        script = httpx.get(f"{server.url}/console/boot.js", trust_env=False)
        assert (page.status_code, script.status_code) == (200, 200)
        for path in ("/docs", "/docs/zh/devices-mqtt", "/docs/en/limits"):
            assert httpx.get(f"{server.url}{path}", trust_env=False).status_code == 200
    finally:
        assert server.stop() == 0
    assert server.stray == []


def test_the_wheel_of_the_client_holds_no_server_and_names_no_module_that_it_lacks(wheel: Path) -> None:
    with zipfile.ZipFile(next(wheel.parent.glob("thingstead_client-*.whl"))) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        sources = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    rooms = {Path(name).parts[1] for name in names}
    rooms -= {"__init__.py", "py.typed", "errors.py", "refusals.py", "refusals.json"}
    assert rooms == {"client", "wire", "model", "modbus", "mqtt"}
    assert [
        name for name, source in sources.items() if "import thingstead\n" in source or "thingstead." in source
    ] == []


def test_a_program_of_the_client_alone_calls_a_server(client: Path, running: Running, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(CLIENT_PROGRAM)
    keys = running.credentials
    said = run(client, "-P", program, running.server.url, keys.app_id, keys.access_key, keys.secret_key, cwd=tmp_path)
    assert said.split() == ["Pump", "3", "21.5", "device_offline", __version__]
    server = subprocess.run([client, "-P", "-c", "import thingstead"], capture_output=True, check=False, cwd=tmp_path)
    assert server.returncode == 1


def test_type_checkers_know_what_calls_of_the_client_answer(client: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(CLIENT_PROGRAM + 'reveal_type(ProjectClient("", ApplicationKeys("", "", "")).devices.read)\n')
    checked = ("--strict", "--python-executable", client, "--cache-dir", tmp_path / "cache")
    said = run(sys.executable, "-P", "-m", "mypy", *checked, program, cwd=tmp_path)
    assert '"def (device_id: str) -> thingstead_client.wire.devices.DeviceDetail"' in said


def test_thingstead_client_is_the_client_of_the_server_where_that_is_installed() -> None:
    program = """
import thingstead.client, thingstead.errors, thingstead_client, thingstead_client.errors
assert thingstead_client.ProjectClient is thingstead.client.ProjectClient
assert thingstead_client.errors.NotFound is thingstead.errors.NotFound
assert set(thingstead.client.__all__) < set(thingstead_client.__all__)
"""
    run(sys.executable, "-c", program)
