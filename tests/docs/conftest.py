"""A server of its own process, as the reader of the documentation has it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.platform import ProjectApi, initialize, serving


class Installation(NamedTuple):
    """A server that is ready, the credentials that its first start printed, and a caller of its API."""

    http_port: int
    mqtt_port: int
    credentials: dict[str, str]
    api: ProjectApi

    @property
    def variables(self) -> dict[str, str]:
        """The credentials under the names that the documentation uses."""
        return {name.upper(): value for name, value in self.credentials.items()}

    def run(self, script: str) -> str:
        """What a shell script of the documentation prints, with the ports of this server in place of the usual ones."""
        script = script.replace("localhost:8080", f"localhost:{self.http_port}")
        script = script.replace("-p 1883", f"-p {self.mqtt_port}")
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{script}"],
            env={"PATH": os.environ["PATH"], **self.variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    folder = tmp_path / "data"
    credentials = initialize(folder)
    with serving(folder) as (_, http_port, mqtt_port), closing(ProjectApi(http_port)) as api:
        api.log_in(credentials)
        yield Installation(http_port, mqtt_port, credentials, api)
