"""The root of the commands, and what their failures look like."""

import importlib
from typing import Any

import click

from thingstead import __version__
from thingstead.config.nearest import did_you_mean
from thingstead.errors import ConfigError, ThingsteadError

FAILED = 1
USAGE = 2  # exit code of click for a wrong command line; here also for a wrong configuration

# Module of each command, imported when the command is called, so that --help and --version answer at once.
MODULES = {
    "serve": "thingstead.cli.serve",
    "init": "thingstead.cli.init",
    "check-config": "thingstead.cli.check_config",
    "status": "thingstead.cli.administration.status",
    "doctor": "thingstead.cli.administration.doctor",
    "project": "thingstead.cli.administration.project",
    "application": "thingstead.cli.administration.application",
    "admin": "thingstead.cli.administration.admin",
    "device": "thingstead.cli.administration.device",
    "api": "thingstead.cli.administration.api",
    "rotate-token-secret": "thingstead.cli.administration.rotate_token_secret",
    "backup": "thingstead.cli.backup",
    "restore": "thingstead.cli.restore",
    "migrate-store": "thingstead.cli.migrate_store",
    "check": "thingstead.cli.check",
    "export": "thingstead.cli.export",
    "import-history": "thingstead.cli.import_history",
    "simulate": "thingstead.cli.simulate",
}


class Refused(click.ClickException):
    """A failure that the user can fix: one line on standard error, and an exit code."""

    exit_code = FAILED


class WrongConfiguration(Refused):
    """A failure that a retry cannot fix."""

    exit_code = USAGE


class Group(click.Group):
    """A group that suggests the nearest command for one that is unknown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            meant = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(exc.message.rstrip(".") + (meant or "."), ctx) from exc


class Commands(Group):
    """The commands of :data:`MODULES`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return None
        command: click.Command = importlib.import_module(MODULES[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as exc:
            raise WrongConfiguration(exc.message) from exc
        except ThingsteadError as exc:
            raise Refused(exc.message) from exc


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="thingstead", message="%(prog)s %(version)s")
def commands() -> None:
    """Thingstead: a self-hosted IoT application platform.

    Exit codes: 0 success, 1 failure, 2 the command line or the configuration is invalid.
    """


def main() -> None:
    """Entry point; does not return."""
    commands(prog_name="thingstead")
