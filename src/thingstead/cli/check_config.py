"""``thingstead check-config``."""

from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import config_option, load_config
from thingstead.config import dump


@click.command("check-config")
@config_option
def command(file: Path | None, **flags: Any) -> None:
    """Read the configuration as serve would, and print every setting with its value.

    Nothing is started or changed. A wrong configuration is refused, naming the setting, with exit code 2.
    """
    for name, value in dump(load_config(file, **flags)).items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        click.echo(f"{name} = {shown}")
