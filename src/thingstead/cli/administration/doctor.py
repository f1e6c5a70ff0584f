"""``thingstead doctor``."""

from pathlib import Path
from typing import Any

import click
import msgspec

from thingstead.cli.administration.health import checks, coloured
from thingstead.cli.options import command_config, config_option, data_dir_option, json_option

BAD = 1


@click.command("doctor")
@data_dir_option
@config_option
@json_option
@click.pass_context
def command(context: click.Context, /, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Check the installation: data folder, server, storage, disk, certificates. Each line says what to do.

    Nothing is changed. The exit code is 1 if a line is bad. `thingstead check` reads the data itself.
    """
    found = list(checks(command_config(file, **flags)))
    if as_json:
        click.echo(msgspec.json.encode([check._asdict() for check in found]).decode())
    else:
        for check in found:
            click.echo(f"{coloured(check.state)}  {check.check}: {check.text}")
    if any(check.state == "bad" for check in found):
        context.exit(BAD)
