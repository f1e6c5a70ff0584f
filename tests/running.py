"""A server of its own process with a project and a device, and what tests do with it."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi
from tests.server_process import ServerProcess
from thingstead.services.registry.projects import Credentials

TIMEOUT_S = 30


class Running(NamedTuple):
    """A server that is ready, with a new project and one device."""

    server: ServerProcess
    credentials: Credentials
    api: ProjectApi
    certificate: Certificate

    @property
    def device_id(self) -> str:
        return self.certificate.device_id

    def online(self) -> bool:
        """Whether the API shows the device as online now."""
        seen: bool = self.api.device(self.device_id)["online"]
        return seen

    def device(self) -> MqttDevice:
        """A connection of the device, made by ``with``."""
        return MqttDevice(self.server.mqtt_port, self.certificate)


def eventually(condition: Callable[[], bool]) -> None:
    """Returns when ``condition`` holds. It asks the server, again and again; no time is waited for its own sake."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"


@contextmanager
def disk_held(data_dir: Path) -> Iterator[None]:
    """Nobody else can commit inside the block: the write lock of the database is taken."""
    if database := os.environ.get("THINGSTEAD_DATABASE"):
        with psycopg.connect(database) as holder:
            holder.execute("LOCK TABLE report_log IN EXCLUSIVE MODE")
            yield
        return
    with closing(sqlite3.connect(data_dir / "thingstead.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
