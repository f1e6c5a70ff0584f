"""``thingstead rotate-token-secret``."""

import click

from thingstead.cli.administration.operator import Operator, on_installation


@click.command("rotate-token-secret")
@on_installation
def command(operator: Operator, *, as_json: bool) -> None:
    """Replace the secret that signs AccessTokens. The server may be running.

    All AccessTokens and browser sessions of all projects become invalid; applications and people log in again. Device
    certificates are not affected.
    """
    operator.run("rotate_token_secret")
    click.echo('{"result":true}' if as_json else "All AccessTokens issued before are invalid.")
