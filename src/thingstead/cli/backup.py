"""``thingstead backup``."""

from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_options
from thingstead.cli.progress import bar
from thingstead.server import database_backups
from thingstead.server.backups import back_up


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@data_options
@config_option
def command(target: Path, file: Path | None, **flags: Any) -> None:
    """Copy the data folder or the database to a folder. TARGET must be new. The server may be running.

    The copy has the state at the start of the command. A manifest with its checksums is written; the copy of a data
    folder is checked. Large databases are better backed up by PostgreSQL itself: docs/cluster.md.
    """
    config = command_config(file, **flags)
    if config.database:
        with bar("Copying") as progress:
            copied = database_backups().back_up_database(config, target, progress)
        click.echo(f"{target}: {copied.size_bytes:,} bytes, {copied.rows:,} rows, as of {copied.created_at}")
        return
    with bar("Copying") as progress:
        manifest = back_up(config.data_path, target, progress)
    rows = sum(manifest.rows.values())
    click.echo(f"{target}: {manifest.size_bytes:,} bytes, {rows:,} rows, as of {manifest.created_at}")
