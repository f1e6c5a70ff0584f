"""Mounts the HTTP applications: the console under ``/console/``, the API everywhere else."""

from typing import Any

from thingstead.api.app import AsgiApp
from thingstead.console.pages import ConsolePages


def site(api: AsgiApp, console: ConsolePages) -> AsgiApp:
    """Both as one ASGI application. What only the API knows of, such as pages of other origins, ends at the API."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and console.serves(scope):
            await console(scope, receive, send)
        else:
            await api(scope, receive, send)

    return serve
