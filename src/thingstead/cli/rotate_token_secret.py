"""``thingstead rotate-token-secret``."""

import asyncio
from pathlib import Path
from typing import Any

import click

from thingstead.cli.options import command_config, config_option, data_dir_option
from thingstead.config import Config
from thingstead.server import open_platform
from thingstead.services.audit.audit import acting


@click.command("rotate-token-secret")
@data_dir_option
@config_option
def command(file: Path | None, **flags: Any) -> None:
    """Replace the secret that signs AccessTokens. The server must be stopped.

    All AccessTokens and browser sessions of all projects become invalid; applications and people log in again. Device
    certificates are not affected.
    """
    asyncio.run(_rotate(command_config(file, **flags)))
    click.echo("All AccessTokens issued before are invalid.")


async def _rotate(config: Config) -> None:
    async with open_platform(config) as platform:
        with acting(platform.audit.author("cli")):
            await platform.tokens.renew_secret()
