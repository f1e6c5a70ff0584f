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
    """Copy the data folder into the new folder TARGET, as it is at one instant. The server may be running.

    The copy is checked, and described by a manifest with its checksum, before the command ends.
    """
    config = command_config(file, **flags)
    with bar("Copying") as progress:
        manifest = back_up(config.data_path, target, progress)
    rows = sum(manifest.rows.values())
    click.echo(f"{target}: {manifest.size_bytes:,} bytes, {rows:,} rows, as of {manifest.created_at}")
