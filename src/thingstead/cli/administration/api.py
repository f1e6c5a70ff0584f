"""``thingstead api``."""

import sys
from pathlib import Path

import click
import msgspec

from thingstead.cli.administration.operator import Operator, operated

METHODS = ("GET", "POST", "PUT", "DELETE")


@click.command("api")
@click.argument("method", type=click.Choice(METHODS, case_sensitive=False))
@click.argument("path")
@click.option("--data", help="The body: JSON, @FILE, or - for standard input.")
@operated
def command(operator: Operator, method: str, path: str, data: str | None, *, as_json: bool) -> None:
    """Call the Project API as the operator of a project. Prints `info` as JSON. The server may be running.

    \b
    thingstead api GET '/devices?online=1'
    thingstead api PUT /project/info --data '{"name": "Plant 1"}'
    """
    if not path.startswith("/") or path.startswith("/api/"):
        raise click.UsageError("PATH begins with / and goes on behind /api/v1, such as /devices")
    info = operator.call(method.upper(), path, _body(data))
    written = msgspec.json.encode(info)
    click.echo((written if as_json else msgspec.json.format(written, indent=2)).decode())


def _body(data: str | None) -> object:
    if data is None:
        return None
    if data == "-":
        text = sys.stdin.read()
    elif data.startswith("@"):
        try:
            text = Path(data[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise click.UsageError(f"--data: {data[1:]} cannot be read: {exc}") from exc
    else:
        text = data
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as exc:
        raise click.UsageError(f"--data is not JSON: {exc}") from exc
