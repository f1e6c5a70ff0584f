"""The wheel in an environment of its own, as an operator installs it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.server_process import ServerProcess
from thingstead import __version__

ROOT = Path(__file__).resolve().parents[2]
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
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "src" / "thingstead"
    files = {
        f"thingstead/{file.relative_to(package).as_posix()}"
        for file in package.rglob("*")
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
        assert httpx.get(f"{server.url}/docs", trust_env=False).status_code == 200
    finally:
        assert server.stop() == 0
    assert server.stray == []
