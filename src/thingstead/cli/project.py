"""``thingstead project create``, ``thingstead project list`` and ``thingstead project rotate-key``."""

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec

from thingstead.cli.admin import chosen_project
from thingstead.cli.options import command_config, config_option, data_dir_option, json_option
from thingstead.cli.texts import credentials_json, credentials_table, stopped_text
from thingstead.config import Config
from thingstead.model.project import Project
from thingstead.model.values.unicode_text import shown
from thingstead.server import open_platform
from thingstead.services.audit.audit import acting
from thingstead.services.notifications.audit import StoppedChannel
from thingstead.services.registry.projects import DAY_MS, Credentials


@click.group("project")
def command() -> None:
    """Projects of this installation. The server must be stopped."""


@command.command("create")
@click.option("--name", required=True, help="The project's name.")
@data_dir_option
@config_option
@json_option
def create(name: str, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Create a project with an application and an administrator, and print their credentials once."""
    credentials, stopped = asyncio.run(_create(command_config(file, **flags), name))
    click.echo(credentials_json(credentials) if as_json else credentials_table(credentials))
    if stopped:
        click.echo(stopped_text(stopped), err=True)


@command.command("list")
@data_dir_option
@config_option
@json_option
def list_projects(file: Path | None, as_json: bool, **flags: Any) -> None:
    """List the projects, oldest first."""
    projects = asyncio.run(_list(command_config(file, **flags)))
    rows = [{"id": project.id, "name": project.name, "project_key": project.project_key} for project in projects]
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
    else:
        for row in rows:
            click.echo("  ".join(map(shown, row.values())))


@command.command("rotate-key")
@click.option("--project", "project_id", metavar="ID", help="The project's id; required if there are several.")
@click.option("--grace-days", type=float, default=30, show_default=True, help="How long the old key stays valid.")
@data_dir_option
@config_option
def rotate_key(project_id: str | None, grace_days: float, file: Path | None, **flags: Any) -> None:
    """Create a new ProjectKey and print it. The old one stays valid for the grace period."""
    project = asyncio.run(_rotate_key(command_config(file, **flags), project_id, grace_days))
    click.echo(project.project_key)


async def _rotate_key(config: Config, project_id: str | None, grace_days: float) -> Project:
    async with open_platform(config) as platform:
        project = chosen_project(await platform.projects.list_all(), project_id)
        with acting(platform.audit.author("cli")):
            rotated: Project = await platform.projects.rotate_project_key(project.id, round(grace_days * DAY_MS))
        return rotated


async def _create(config: Config, name: str) -> tuple[Credentials, list[StoppedChannel]]:
    async with open_platform(config) as platform:
        with acting(platform.audit.author("cli")):
            credentials: Credentials = await platform.projects.create(name)
        return credentials, await platform.notify.stopped_channels()


async def _list(config: Config) -> list[Project]:
    async with open_platform(config) as platform:
        projects: list[Project] = await platform.projects.list_all()
        return projects
