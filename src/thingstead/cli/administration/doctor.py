"""``thingstead doctor``."""

from pathlib import Path
from typing import Any

import click
import msgspec

from thingstead.cli.administration.health import checks, coloured
from thingstead.cli.options import command_config, config_option, data_options, json_option, refuse_database

BAD = 1


@click.command("doctor")
@data_options
@config_option
@json_option
@click.pass_context
def command(context: click.Context, /, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Check the installation, and say what to do. Checked are data folder, server, storage, disk and certificates.

    Nothing is changed. The exit code is 1 if a line is bad. `thingstead check` reads the data itself.
    """
    config = command_config(file, **flags)
    refuse_database(config, "doctor", "thingstead status shows its nodes")
    found = list(checks(config))
    if as_json:
        click.echo(msgspec.json.encode([check._asdict() for check in found]).decode())
    else:
        for check in found:
            click.echo(f"{coloured(check.state)}  {check.check}: {check.text}")
    if any(check.state == "bad" for check in found):
        context.exit(BAD)
