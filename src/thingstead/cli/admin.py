"""``thingstead admin set-password`` and ``thingstead admin set-role``."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_dir_option
from thingstead.config import Config
from thingstead.errors import Conflict, NotFound
from thingstead.model.project import Project
from thingstead.model.roles import ROLES, Role
from thingstead.model.values.unicode_text import account_key
from thingstead.server import FolderInUse, open_platform
from thingstead.services.audit.audit import acting
from thingstead.services.platform import Platform

WAY_OUT = "stop it first, or, while it runs, let an administrator call PUT /api/v1/admin/<id>/pwd"

WAY_OUT_ROLE = WAY_OUT.replace("/pwd", "/role")


@click.group("admin")
def command() -> None:
    """Administrators of a project."""


@command.command("set-password")
@click.option("--account", default="admin", show_default=True, help="The administrator's account.")
@click.option("--project", "project_id", metavar="ID", help="The project's id; required if there are several.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@data_dir_option
@config_option
def set_password(account: str, project_id: str | None, password_stdin: bool, file: Path | None, **flags: Any) -> None:
    """Change the password of an administrator. The server must be stopped. Their tokens and sessions end."""
    config = command_config(file, **flags)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    asyncio.run(_set_password(config, account, project_id, password))
    click.echo(f"The password of {account} is changed.")


@command.command("set-role")
@click.option("--account", default="admin", show_default=True, help="The administrator's account.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the administrator may do.")
@click.option("--project", "project_id", metavar="ID", help="The project's id; needed where there are several.")
@data_dir_option
@config_option
def set_role(account: str, role: Role, project_id: str | None, file: Path | None, **flags: Any) -> None:
    """Change the role of an administrator. The server must be stopped. Their tokens and sessions end."""
    asyncio.run(_set_role(command_config(file, **flags), account, project_id, role))
    click.echo(f"The role of {account} is {role}.")


async def _set_role(config: Config, account: str, project_id: str | None, role: Role) -> None:
    try:
        async with open_platform(config) as platform:
            project = chosen_project(await platform.projects.list_all(), project_id)
            admin_id = await _admin_id(platform, project.id, account)
            with acting(platform.audit.author("cli")):
                await platform.accounts.set_administrator_role(project.id, admin_id, role)
    except FolderInUse as exc:
        raise Conflict("not_done", detail=f"{exc.message}; {WAY_OUT_ROLE}") from exc


async def _set_password(config: Config, account: str, project_id: str | None, password: str) -> None:
    try:
        async with open_platform(config) as platform:
            project = chosen_project(await platform.projects.list_all(), project_id)
            admin_id = await _admin_id(platform, project.id, account)
            with acting(platform.audit.author("cli")):
                await platform.accounts.set_administrator_password(project.id, admin_id, password)
    except FolderInUse as exc:
        raise Conflict("not_done", detail=f"{exc.message}; {WAY_OUT}") from exc


def chosen_project(projects: Sequence[Project], project_id: str | None) -> Project:
    """The project with this id, or the only project."""
    if project_id is None and len(projects) > 1:
        raise click.UsageError("there are several projects; name one with --project ID (thingstead project list)")
    for project in projects:
        if project_id in (None, project.id):
            return project
    raise NotFound("not_done", detail=f"no project {project_id} in this data folder")


async def _admin_id(platform: Platform, project_id: str, account: str) -> str:
    administrators = await platform.accounts.list_administrators(project_id)
    exact = [each.id for each in administrators if each.account == account]
    alike = [each.id for each in administrators if account_key(each.account) == account_key(account)]
    if exact or len(alike) == 1:
        admin_id: str = (exact or alike)[0]
        return admin_id
    raise NotFound("not_done", detail=f"no administrator {account} in project {project_id}")
