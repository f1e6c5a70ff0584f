"""``thingstead restore``."""

import asyncio
from pathlib import Path
from typing import Any

import click

from thingstead.cli.administration.operator import print_facts
from thingstead.cli.options import command_config, config_option, data_options, json_option
from thingstead.cli.progress import bar
from thingstead.server import database_backups
from thingstead.server.backups import restore


@click.command("restore")
@click.argument("backup", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--keep-tokens", is_flag=True, help="Keep the AccessTokens of the backup valid.")
@data_options
@config_option
@json_option
def command(backup: Path, keep_tokens: bool, as_json: bool, file: Path | None, **flags: Any) -> None:
    """Create a data folder from a backup. BACKUP is its folder. That of a database fills an empty database.

    A data folder or a database that is not empty is refused and not changed. The copy is compared with the manifest
    of the backup, byte by byte and row by row, and its schema with that of this release. The secret that signs
    AccessTokens is replaced: applications and people log in again.
    """
    config = command_config(file, **flags)
    with bar("Restoring") as progress:
        if config.database:
            done = asyncio.run(database_backups().restore_database(config, backup, progress, keep_tokens=keep_tokens))
            restored, rows, created_at = "The database", done.rows, done.created_at
        else:
            manifest = restore(backup, config.data_path, progress, keep_tokens=keep_tokens)
            restored, rows, created_at = str(config.data_path), sum(manifest.rows.values()), manifest.created_at
    if as_json:
        facts = {"data_dir": None if config.database else restored, "rows": rows, "created_at": created_at}
        print_facts(facts, as_json=True)
    else:
        click.echo(f"{restored} is restored: {rows:,} rows, as of {created_at}")
