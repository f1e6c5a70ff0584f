"""``thingstead export``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from thingstead.cli.instants import INSTANT
from thingstead.cli.options import command_config, config_option, data_options
from thingstead.cli.progress import bar
from thingstead.errors import Conflict, Unavailable
from thingstead.model.limits import INSTANT_MS
from thingstead.server.archives import open_archive
from thingstead.server.folder import open_private
from thingstead.services.history.exports import export_history, select_devices
from thingstead.services.history.tables import CsvWriter, ParquetWriter, TableWriter

STDOUT = "-"


@click.command("export")
@click.option("--output", required=True, metavar="FILE", help="Output file; - is standard output (CSV only).")
@click.option(
    "--format", "form", type=click.Choice(["csv", "parquet"]), help="File format; default: by file extension."
)
@click.option("--project", "project_id", metavar="ID", help="Only devices of this project.")
@click.option("--device-type", "type_id", metavar="ID", help="Only devices of this type.")
@click.option("--device", "device_ids", multiple=True, metavar="ID", help="Only this device; may be repeated.")
@click.option("--identifier", "identifiers", multiple=True, help="Only this attribute; may be repeated.")
@click.option("--start", type=INSTANT, default="0", help="Only points at or after this instant: a date, or ms.")
@click.option("--end", type=INSTANT, default=str(INSTANT_MS), help="Only points at or before this instant.")
@click.option("--force", is_flag=True, help="Overwrite an output file that exists.")
@data_options
@config_option
def command(
    file: Path | None, output: str, form: str | None, start: int, end: int, *, force: bool, **options: Any
) -> None:
    """Export history to a CSV or Parquet file. Each point is a row. The server may be running.

    Columns: device_id, device_key, identifier, ts, value (as JSON); in CSV also timestamp, in Parquet number.
    """
    if start > end:
        raise click.BadParameter("is after --end", param_hint="--start")
    if output != STDOUT and not force and Path(output).exists():
        raise Conflict("not_done", detail=f"{output} exists; --force overwrites it")
    chosen = {name: options.pop(name) for name in ("project_id", "type_id", "device_ids", "identifiers")}
    config = command_config(file, **options)
    with open_archive(config) as archive, bar("Exporting") as progress:
        devices = select_devices(archive, chosen["project_id"], chosen["type_id"], chosen["device_ids"])
        with _writer(output, form) as writer:
            done = export_history(
                archive,
                devices,
                writer,
                identifiers=chosen["identifiers"],
                start=start,
                end=end,
                progress=lambda done: progress(done.devices, len(devices)),
            )
        damaged = archive.damaged_rows
    click.echo(f"{done.points:,} points of {done.devices:,} devices", err=True)
    if damaged:
        click.echo(f"{damaged:,} damaged rows were skipped; thingstead check lists them", err=True)


@contextmanager
def _writer(output: str, form: str | None) -> Iterator[TableWriter]:
    """A writer for a file that is readable by its owner only, and gets its name when it is complete."""
    if form is None:
        form = "parquet" if output.endswith(".parquet") else "csv"
    if output == STDOUT:
        if form != "csv":
            raise click.BadParameter("Parquet needs a file", param_hint="--output")
        with CsvWriter(sys.stdout) as writer:
            yield writer
        return
    unfinished = Path(f"{output}.part")
    try:
        unfinished.unlink(missing_ok=True)
        if form == "csv":
            with open_private(unfinished) as stream, CsvWriter(stream) as writer:
                yield writer
        else:
            open_private(unfinished).close()
            with ParquetWriter(unfinished) as writer:
                yield writer
        unfinished.rename(output)
    except OSError as exc:
        raise Unavailable("not_done", detail=f"{output} cannot be written: {exc.strerror or exc}") from exc
