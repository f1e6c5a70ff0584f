"""``thingstead backup``."""

from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_dir_option
from thingstead.cli.progress import bar
from thingstead.server.backups import back_up


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@data_dir_option
@config_option
def command(target: Path, file: Path | None, **flags: Any) -> None:
    """Copy the data folder to the new folder TARGET. The server may be running.

    The copy has the state at the start of the command. It is checked, and a manifest with its checksum is written.
    """
    config = command_config(file, **flags)
    with bar("Copying") as progress:
        manifest = back_up(config.data_path, target, progress)
    rows = sum(manifest.rows.values())
    click.echo(f"{target}: {manifest.size_bytes:,} bytes, {rows:,} rows, as of {manifest.created_at}")
