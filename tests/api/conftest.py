"""A client on the real ASGI application."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from thingstead.api.body import Receive, Scope, Send


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Makes clients of an application; they are closed when the test ends."""
    clients: list[httpx.AsyncClient] = []

    def make(app: Callable[[Scope, Receive, Send], object], address: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app, client=(address, 50_000))  # type: ignore[arg-type]
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://thingstead"))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
