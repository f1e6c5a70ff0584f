"""``thingstead admin``."""

import sys
from typing import Any

import click

from thingstead.cli.administration.operator import Operator, operated, print_facts, print_rows, segment
from thingstead.cli.commands import Group
from thingstead.model.roles import ROLES, Role
from thingstead.services.registry.projects import draw_password

account_option = click.option("--account", default="admin", show_default=True, help="The administrator's account.")
role_option = click.option("--role", type=click.Choice(ROLES), required=True, help="What the administrator may do.")
stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


@click.group("admin", cls=Group)
def command() -> None:
    """Administrators of a project. The server may be running.

    \b
    thingstead admin list
    thingstead admin set-password --account anna
    """


@command.command("list")
@operated
def list_administrators(operator: Operator, *, as_json: bool) -> None:
    """List the administrators."""
    print_rows(operator.items("/admins"), ("id", "account", "role", "name"), as_json=as_json)


@command.command("create")
@click.option("--account", required=True, help="The new administrator's account.")
@role_option
@stdin_option
@operated
def create(operator: Operator, account: str, role: Role, *, password_stdin: bool, as_json: bool) -> None:
    """Create an administrator. Without --password-stdin a password is drawn and printed once."""
    password = _read_password() if password_stdin else draw_password()
    made = operator.call("POST", "/admin", {"account": account, "password": password, "role": role})
    facts = {"id": made["id"], "account": account, "role": role}
    print_facts(facts if password_stdin else {**facts, "password": password}, as_json=as_json)


@command.command("set-password")
@account_option
@stdin_option
@operated
def set_password(operator: Operator, account: str, *, password_stdin: bool, as_json: bool) -> None:
    """Change the password of an administrator. Their tokens and sessions end."""
    password = (
        _read_password() if password_stdin else click.prompt("New password", hide_input=True, confirmation_prompt=True)
    )
    operator.call("PUT", f"/admin/{segment(operator.administrator(account))}/pwd", {"password": password})
    _changed(f"The password of {account} is changed.", {"account": account}, as_json=as_json)


@command.command("set-role")
@account_option
@role_option
@operated
def set_role(operator: Operator, account: str, role: Role, *, as_json: bool) -> None:
    """Change the role of an administrator. Their tokens and sessions end."""
    operator.call("PUT", f"/admin/{segment(operator.administrator(account))}/role", {"role": role})
    _changed(f"The role of {account} is {role}.", {"account": account, "role": role}, as_json=as_json)


@command.command("delete")
@click.option("--account", required=True, help="The administrator's account.")
@click.confirmation_option("--yes", prompt="Delete the administrator?", help="Do not ask.")
@operated
def delete(operator: Operator, account: str, *, as_json: bool) -> None:
    """Delete an administrator. The last administrator with the role admin cannot be deleted."""
    operator.call("DELETE", f"/admin/{segment(operator.administrator(account))}")
    _changed(f"The administrator {account} is deleted.", {"account": account}, as_json=as_json)


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _changed(text: str, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_facts(facts, as_json=True)
    else:
        click.echo(text)
