"""``thingstead import-history``."""

import asyncio
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_options
from thingstead.cli.progress import bar
from thingstead.config import Config
from thingstead.errors import Conflict, NotFound
from thingstead.model.project import Project
from thingstead.model.values.unicode_text import shown
from thingstead.server import FolderInUse, open_platform
from thingstead.services.history.table_import import TableImportResult
from thingstead.services.history.tables import Row, read_csv, read_parquet

ROWS_PER_TICK = 10_000  # rows between two updates of the progress bar


@click.command("import-history")
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--format", "form", type=click.Choice(["csv", "parquet"]), help="File format; default: by file extension."
)
@click.option(
    "--project", "project_id", metavar="ID", help="The project of the devices; required if there are several."
)
@data_options
@config_option
def command(table: Path, form: str | None, project_id: str | None, file: Path | None, **flags: Any) -> None:
    """Import history from a CSV or Parquet file. TABLE is the file. The server must be stopped.

    Required columns: device_id or device_key, identifier, ts (ms), value (as JSON). Existing points are
    stored once, so a file can be imported again. Invalid rows are refused and named; the others are imported.
    """
    config = command_config(file, **flags)
    done = asyncio.run(_import(config, table, form, project_id))
    click.echo(f"{done.points:,} points")
    for problem in done.problems:
        click.echo(shown(problem), err=True)
    if done.refused:
        raise Conflict("not_done", detail=f"{done.refused:,} rows were refused")


async def _import(config: Config, table: Path, form: str | None, project_id: str | None) -> TableImportResult:
    try:
        async with open_platform(config) as platform:
            project = chosen_project(await platform.projects.list_all(), project_id)
            done: TableImportResult = await platform.history_import.run(project.id, _rows(table, form))
            return done
    except FolderInUse as exc:
        raise Conflict("not_done", detail=f"{exc.message}; stop it first") from exc


def _rows(table: Path, form: str | None) -> Iterator[Row]:
    if form == "parquet" or (form is None and table.suffix == ".parquet"):
        yield from read_parquet(table)
        return
    size = table.stat().st_size
    with table.open("rb") as raw, bar("Importing") as progress:
        for row in read_csv(io.TextIOWrapper(raw, "utf-8-sig", newline="")):
            yield row
            if row.number % ROWS_PER_TICK == 0:
                progress(raw.tell(), size)
        progress(size, size)


def chosen_project(projects: Sequence[Project], project_id: str | None) -> Project:
    """The project with this id, or the only project."""
    if project_id is None and len(projects) > 1:
        raise click.UsageError("there are several projects; name one with --project ID (thingstead project list)")
    for project in projects:
        if project_id in (None, project.id):
            return project
    raise NotFound("not_done", detail=f"no project {project_id} in this data folder")
