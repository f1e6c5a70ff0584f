"""``thingstead application``."""

import click

from thingstead.cli.administration.operator import Operator, operated, print_facts, print_rows, segment
from thingstead.cli.commands import Group
from thingstead.model.roles import ADMIN, ROLES, Role

role_choice = click.Choice(ROLES)


@click.group("application", cls=Group)
def command() -> None:
    """Applications of type API. Their keys open the Project API. The server may be running.

    \b
    thingstead application create --name backend --role operator
    thingstead application reset 3f6k2m9q        # keys that were lost
    """


@command.command("list")
@operated
def list_applications(operator: Operator, *, as_json: bool) -> None:
    """List the applications, without their SecretKeys."""
    print_rows(operator.items("/applications"), ("id", "name", "role", "access_key"), as_json=as_json)


@command.command("create")
@click.option("--name", required=True, help="The application's name.")
@click.option("--role", type=role_choice, default=ADMIN, show_default=True, help="What its tokens may do.")
@operated
def create(operator: Operator, name: str, role: Role, *, as_json: bool) -> None:
    """Create an application and print its keys once."""
    print_facts(operator.call("POST", "/application", {"name": name, "role": role}), as_json=as_json)


@command.command("reset")
@click.argument("app_id")
@operated
def reset(operator: Operator, app_id: str, *, as_json: bool) -> None:
    """Replace the keys of the application APP_ID. The new ones are printed once; the old ones and their tokens end."""
    print_facts(operator.call("POST", f"/application/{segment(app_id)}/secret_reset"), as_json=as_json)


@command.command("set-role")
@click.argument("app_id")
@click.option("--role", type=role_choice, required=True, help="What its tokens may do.")
@operated
def set_role(operator: Operator, app_id: str, role: Role, *, as_json: bool) -> None:
    """Change the role of the application APP_ID."""
    operator.call("PUT", f"/application/{segment(app_id)}/role", {"role": role})
    print_facts({"id": app_id, "role": role}, as_json=as_json)


@command.command("delete")
@click.argument("app_id")
@click.confirmation_option("--yes", prompt="Delete the application?", help="Do not ask.")
@operated
def delete(operator: Operator, app_id: str, *, as_json: bool) -> None:
    """Delete the application APP_ID. Its tokens end. The last application of a project cannot be deleted."""
    operator.call("DELETE", f"/application/{segment(app_id)}")
    print_facts({"id": app_id}, as_json=as_json)
