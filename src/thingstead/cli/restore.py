"""``thingstead restore``."""

from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_dir_option
from thingstead.cli.progress import bar
from thingstead.server.backups import restore


@click.command("restore")
@click.argument("backup", type=click.Path(path_type=Path, exists=True, file_okay=False))
@data_dir_option
@config_option
def command(backup: Path, file: Path | None, **flags: Any) -> None:
    """Make a data folder of the backup in the folder BACKUP.

    A data folder that is not empty is refused and stays as it is. What was restored is compared with the manifest of
    the backup, byte by byte and row by row, before it counts.
    """
    config = command_config(file, **flags)
    with bar("Restoring") as progress:
        manifest = restore(backup, config.data_path, progress)
    rows = sum(manifest.rows.values())
    click.echo(f"{config.data_path} is restored: {rows:,} rows, as of {manifest.created_at}")
