"""``thingstead backup``."""

from pathlib import Path
from typing import Any

import click

from thingstead.cli.administration.operator import print_facts
from thingstead.cli.options import command_config, config_option, data_options, json_option
from thingstead.cli.progress import bar
from thingstead.server import database_backups
from thingstead.server.backups import back_up


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@data_options
@config_option
@json_option
def command(target: Path, as_json: bool, file: Path | None, **flags: Any) -> None:
    """Copy the data folder or the database to a folder. TARGET must be new. The server may be running.

    The copy has the state at the start of the command. A manifest with its checksums is written; the copy of a data
    folder is checked. Large databases are better backed up by PostgreSQL itself: docs/cluster.md.
    """
    config = command_config(file, **flags)
    with bar("Copying") as progress:
        if config.database:
            copied = database_backups().back_up_database(config, target, progress)
            size_bytes, rows, created_at = copied.size_bytes, copied.rows, copied.created_at
        else:
            manifest = back_up(config.data_path, target, progress)
            size_bytes, rows, created_at = manifest.size_bytes, sum(manifest.rows.values()), manifest.created_at
    if as_json:
        facts = {"backup": str(target), "size_bytes": size_bytes, "rows": rows, "created_at": created_at}
        print_facts(facts, as_json=True)
    else:
        click.echo(f"{target}: {size_bytes:,} bytes, {rows:,} rows, as of {created_at}")
