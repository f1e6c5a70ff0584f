"""``thingstead migrate-store``."""

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec

from thingstead.cli.options import command_config, config_option, data_options, json_option
from thingstead.cli.progress import bar
from thingstead.errors import ConfigError
from thingstead.server import store_migration


@click.command("migrate-store")
@click.option("--back", is_flag=True, help="From the database into a new data folder.")
@click.option("--rehearse", is_flag=True, help="Only read: check both, and every row; change nothing.")
@data_options
@config_option
@json_option
def command(back: bool, rehearse: bool, as_json: bool, file: Path | None, **flags: Any) -> None:
    """Copy everything into a PostgreSQL database, or back. The target must be empty.

    No server may run on either of them, except in a rehearsal. The source stays as it is. If the command is
    interrupted, call it again: it goes on behind the last row that was copied; until it has ended, no server opens the
    target. At the end all rows of both are counted and compared by their checksums.
    """
    config = command_config(file, **flags)
    if not config.database:
        raise ConfigError("--database: names the PostgreSQL database; the data folder is named by --data-dir")
    with bar("Copying") as progress:
        done = asyncio.run(store_migration().migrate_store(config, progress, back=back, rehearse=rehearse))
    if as_json:
        click.echo(msgspec.json.encode({"rows": done.rows, "tables": done.tables}).decode())
    elif rehearse:
        click.echo(f"{done.rows:,} rows of {len(done.tables)} tables can be copied; nothing was changed")
    else:
        click.echo(f"{done.rows:,} rows of {len(done.tables)} tables were copied, and are the same on both sides")
