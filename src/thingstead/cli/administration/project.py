"""``thingstead project``."""

from typing import Any

import click
import msgspec

from thingstead.cli.administration.operator import Operator, on_installation, operated, print_facts, print_rows
from thingstead.cli.commands import Group
from thingstead.cli.texts import credentials_json, credentials_table, stopped_text
from thingstead.server.local.calls import NewProject


@click.group("project", cls=Group)
def command() -> None:
    """Projects of this installation. The server may be running.

    \b
    thingstead project list
    thingstead project create --name "Second plant" --json > second.json
    """


@command.command("create")
@click.option("--name", required=True, help="The project's name.")
@on_installation
def create(operator: Operator, name: str, *, as_json: bool) -> None:
    """Create a project and print its credentials once. It gets an application and an administrator."""
    made: NewProject = operator.run("create_project", NewProject, name=name)
    click.echo(credentials_json(made.credentials) if as_json else credentials_table(made.credentials))
    if made.stopped:
        click.echo(stopped_text(made.stopped), err=True)


@command.command("list")
@on_installation
def list_projects(operator: Operator, *, as_json: bool) -> None:
    """List the projects, oldest first."""
    rows: list[dict[str, Any]] = operator.run("projects")
    print_rows(rows, ("id", "name", "project_key", "devices", "online"), as_json=as_json)


@command.command("rotate-key")
@click.option("--grace-days", type=float, default=30, show_default=True, help="How long the old key stays valid.")
@operated
def rotate_key(operator: Operator, grace_days: float, *, as_json: bool) -> None:
    """Create a new ProjectKey and print it. The old one stays valid for the grace period."""
    project_key: str = operator.run("rotate_key", str, project=operator.project, grace_days=grace_days)
    click.echo(msgspec.json.encode({"project_key": project_key}).decode() if as_json else project_key)


@command.command("reset-view-secret")
@operated
def reset_view_secret(operator: Operator, *, as_json: bool) -> None:
    """Replace the ProjectViewSecret. Applications subscribe with it. The new one is printed once; the old one ends."""
    print_facts(operator.call("POST", "/project/view_secret_reset"), as_json=as_json)
