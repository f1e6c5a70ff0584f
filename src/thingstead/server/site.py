"""Mounts the HTTP applications: the console under ``/console/``, the API everywhere else."""

from typing import Any

from thingstead.api.app import AsgiApp
from thingstead.console.pages import ConsolePages


def site(api: AsgiApp, console: ConsolePages) -> AsgiApp:
    """Combines API and console into one ASGI application: HTTP requests below ``/console/`` and for ``/`` go to the
    console, all others to the API."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and console.serves(scope):
            await console(scope, receive, send)
        else:
            await api(scope, receive, send)

    return serve
