"""``thingstead check-config``."""

from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import config_option, load_config
from thingstead.clock import SystemClock
from thingstead.config import dump
from thingstead.server import opening
from thingstead.server.listeners import check_certificates


@click.command("check-config")
@config_option
def command(file: Path | None, **flags: Any) -> None:
    """Print every setting, read as serve would read it.

    Nothing is started or changed, and no database is asked. A wrong configuration is refused, naming the setting, with
    exit code 2, and so is a certificate, key or file of authorities that is missing or cannot be used.
    """
    config = load_config(file, **flags)
    if config.database:
        opening().database_membership(config)  # raises if the address or the file of the password cannot be used
    problems = check_certificates(config, SystemClock().now_ms())
    for name, value in dump(config).items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        click.echo(f"{name} = {shown}")
    for problem in problems:
        click.echo(f"Warning: {problem}", err=True)
