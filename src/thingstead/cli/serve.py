"""``thingstead serve``: the process around the server: its event loop, its signals, its log."""

import asyncio
import gc
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import click
import structlog
import uvloop

from thingstead import log
from thingstead.cli.options import config_option, data_options, load_config, setting_option
from thingstead.cli.service_manager import ServiceManager
from thingstead.cli.texts import console_address, credentials_json, kept_in, welcome
from thingstead.config import Config
from thingstead.server import Server, open_server, opening
from thingstead.server.folder import DataFolder
from thingstead.services.registry.projects import Credentials

logger = structlog.get_logger("thingstead")

# Objects allocated before a garbage collection. Reports leave no reference cycles, so a collection after every 700
# objects, the default of Python, costs a twentieth of the ingest rate and finds nothing.
GC_THRESHOLDS = (20_000, 20, 50)
# How long the event loop may keep the interpreter from a thread that wants it. A commit needs it several times: with
# the 5 ms of Python, a loop that computes without a pause holds every commit up for a fifth of a second and more.
SWITCH_INTERVAL_S = 0.0005
STDIN = 0


@click.command("serve")
@data_options
@setting_option("host", "H")
@setting_option("http_port", "P")
@setting_option("mqtt_port", "P")
@setting_option("tcp_port", "P")
@setting_option("mqtts_port", "P")
@setting_option("https_port", "P")
@setting_option("open_mqtt_port", "P")
@setting_option("tls_certificate", "FILE")
@setting_option("tls_key", "FILE")
@setting_option("tls_client_ca", "FILE")
@click.option(
    "--print-credentials",
    is_flag=True,
    help="Print the credentials of a first start even if standard output is not a terminal.",
)
@click.option(
    "--rules-off",
    "rules",
    flag_value="off",
    default=None,
    help="Let no message rule act, as a way out of a bad one. What they have still to do waits for the next start.",
)
@config_option
def command(file: Path | None, print_credentials: bool, **flags: Any) -> None:
    """Run the server. A data folder that is missing or empty is initialized first. Its credentials are printed once to
    a terminal; without one they are written to a file in the data folder, and its path is printed.

    With a database, this is one of any number of nodes, of which one is active; the others stand by and take over.

    SIGTERM and SIGINT stop the server: connections are closed, and accepted data is committed. A second signal ends the
    process at once, without loss of acknowledged data. SIGHUP reloads TLS certificates; if the terminal was closed, it
    stops the server.
    """
    config = load_config(file, **flags)
    log.configure(config.log_level, config.log_format)
    _raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, print_credentials or sys.stdout.isatty()))


async def _serve(config: Config, print_credentials: bool) -> None:
    stop = asyncio.Event()
    in_terminal = os.isatty(STDIN)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _signalled, number, stop)

    manager = ServiceManager()
    loop.add_signal_handler(signal.SIGHUP, _hung_up, None, stop, in_terminal, manager)

    announced = _Announcement(config, print_credentials)
    opened: Any = opening().open_database_node if config.database else open_server
    async with opened(config, hand_over=announced.hand_over) as server:
        address = console_address(config, server.http_port)
        announced.serving(server.http_port)
        # Objects that are alive now stay alive: exclude them from garbage collections.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        loop.add_signal_handler(signal.SIGHUP, _hung_up, server, stop, in_terminal, manager)
        manager.ready(f"Console: {address}")
        try:
            await server.run_until(stop)
        finally:
            await manager.stopping()


class _Announcement:
    """Says on standard output where the console is, and gives the credentials of a first start away once: to a
    terminal, otherwise to a file in the data folder. A node learns its ports first, a single server its credentials."""

    def __init__(self, config: Config, print_credentials: bool) -> None:
        self._config = config
        self._print = print_credentials
        self._credentials: Credentials | None = None
        self._written: Path | None = None
        self._http_port: int | None = None

    def hand_over(self, credentials: Credentials) -> None:
        """Takes the credentials. Raises ConfigError if they cannot be written."""
        if not self._print:
            text = credentials_json(credentials) + "\n"
            self._written = DataFolder(self._config.data_path).write_credentials(text)
        self._credentials = credentials
        if self._http_port is not None:
            self.serving(self._http_port)

    def serving(self, http_port: int) -> None:
        """Notes that the HTTP ports answer."""
        self._http_port = http_port
        address = console_address(self._config, http_port)
        kept = "database" if self._config.database else "data folder"
        if self._credentials is None:
            if sys.stdout.isatty():
                click.echo(f"Console: {address}")
        elif self._written is not None:
            click.echo(kept_in(self._written, self._credentials, address, kept))
        else:
            click.echo(welcome(self._credentials, self._config.host, http_port, address, kept))


def _signalled(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        logger.warning("stopping at once", signal=number.name)
        os._exit(128 + number)
    logger.info("stopping; another signal stops at once", signal=number.name)
    stop.set()


def _hung_up(server: Server | None, stop: asyncio.Event, in_terminal: bool, manager: ServiceManager) -> None:
    """Handles SIGHUP: reloads TLS certificates, or stops the server if its terminal was closed."""
    if in_terminal and not os.isatty(STDIN):
        _signalled(signal.SIGHUP, stop)
    elif server is not None:  # during the start they are read anyway
        manager.reloading()
        server.reload_certificates()
        manager.reloaded()


def _raise_file_limit() -> None:
    """Raises the limit of open files to the maximum: every connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as exc:
            logger.warning("the limit of open files cannot be raised", soft=soft, reason=str(exc))
