"""``thingstead check``."""

from pathlib import Path
from typing import Any

import click
import msgspec

from thingstead.cli.options import command_config, config_option, data_options, json_option, refuse_database
from thingstead.errors import Conflict
from thingstead.model.values.unicode_text import shown
from thingstead.server.archives import check_folder


@click.command("check")
@click.option("--quick", is_flag=True, help="Skip the checks that read everything: indexes, and the content of blocks.")
@data_options
@config_option
@json_option
def command(quick: bool, as_json: bool, file: Path | None, **flags: Any) -> None:
    """Check a data folder for damage. Pages, references, checksums and totals are read. The server may be running.

    Nothing is changed. The exit code is 1 if there are errors. JSON is one object on each line.
    """
    config = command_config(file, **flags)
    refuse_database(config, "check", "pg_amcheck of PostgreSQL reads its tables")
    wrong = 0
    for finding in check_folder(config.data_path, quick=quick):
        wrong += len(finding.problems)
        if as_json:
            fields = {"part": finding.part, "looked_at": finding.looked_at, "problems": list(finding.problems)}
            click.echo(msgspec.json.encode(fields).decode())
            continue
        state = "ok" if not finding.problems else f"{len(finding.problems):,} problems"
        click.echo(f"{finding.part:<12} {finding.looked_at:>12,}  {state}")
        for problem in finding.problems:
            click.echo(f"  {shown(problem)}")
    if wrong:
        raise Conflict("not_done", detail=f"{config.data_path} is damaged; the server still serves what can be read")
