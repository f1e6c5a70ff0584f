"""Servers to be attacked."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hostile.stand import Stand
from tests.project_api import ProjectApi
from tests.server_process import StartServer, init

StartStand = Callable[..., Stand]  # (*flags, **environ) of the server

FIGURES = "figures"  # the property of a test under which its measurements are kept


@pytest.fixture
def start_stand(
    tmp_path: Path, start_server: StartServer, record_property: Callable[[str, object], None]
) -> Iterator[StartStand]:
    """Starts a server with flags and variables on a new data folder."""
    if sys.platform != "linux":
        pytest.skip("memory of processes is read from /proc")
    with ExitStack() as stack:

        def start(*flags: str, **environ: str) -> Stand:
            data_dir = tmp_path / f"data-{len(list(tmp_path.iterdir()))}"
            credentials = init(data_dir)
            server = start_server(data_dir, *flags, **environ)
            api = stack.enter_context(ProjectApi(server.url, credentials))
            return Stand(server, credentials, api, lambda figures: record_property(FIGURES, figures))

        yield start


@pytest.fixture
def stand(start_stand: StartStand) -> Stand:
    """A server as delivered."""
    return start_stand()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what was measured beside each attack."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {figures}"
        for report in reports
        if report.when == "call"
        for name, figures in report.user_properties
        if name == FIGURES
    ]
    if lines:
        terminalreporter.section("beside the attacks")
        terminalreporter.write_line("\n".join(lines))
