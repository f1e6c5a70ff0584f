"""``thingstead init``."""

import asyncio
from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_options, json_option
from thingstead.cli.texts import console_address, console_line, credentials_json, credentials_table
from thingstead.server import initialize


@click.command("init")
@data_options
@config_option
@json_option
def command(file: Path | None, as_json: bool, **flags: Any) -> None:
    """Create a data folder, or the tables of a database. It gets a project, an application of type API and an
    administrator.

    Their credentials are printed once; secrets are stored as hashes only. A folder or database that is already
    initialized is refused and not changed.
    """
    config = command_config(file, **flags)
    credentials = asyncio.run(initialize(config))
    if as_json:
        click.echo(credentials_json(credentials))
    else:
        initialized = "The database" if config.database else config.data_path
        click.echo(f"{initialized} is initialized. Store these credentials; they are shown only once:\n")
        click.echo(credentials_table(credentials))
        if config.http_port:
            address = console_address(config, config.http_port)
            click.echo(f"\nOnce `thingstead serve` runs:\n{console_line(credentials, address)}")
