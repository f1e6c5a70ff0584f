"""A server in this process, and callers of it from the client library."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest

from tests.client.cable import Cable
from tests.client.scripted import Scripted
from thingstead.client import (
    ApplicationKeys,
    AsyncProjectClient,
    Broker,
    Certificate,
    devices,
)
from thingstead.server import Server
from thingstead.services.registry.projects import Credentials

TIMEOUT_S = 30


class Site(NamedTuple):
    """The server, its credentials, and a caller of its Project API."""

    server: Server
    credentials: Credentials
    api: AsyncProjectClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.http_port}"

    @property
    def broker(self) -> Broker:
        return Broker("127.0.0.1", self.server.mqtt_port)

    @property
    def keys(self) -> ApplicationKeys:
        credentials = self.credentials
        return ApplicationKeys(credentials.app_id, credentials.access_key, credentials.secret_key)


class Registered(NamedTuple):
    """A device of the project."""

    id: str
    certificate: Certificate


async def register(site: Site, name: str = "pump", **members: str) -> Registered:
    """A new device."""
    created = await site.api.run(devices.create(name, **members))  # type: ignore[arg-type]
    certificate = await site.api.run(devices.certificate(created.id))
    return Registered(created.id, Certificate(certificate.access_token, certificate.project_key))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns when ``condition`` holds; it is asked again and again."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0.005)


@pytest.fixture
async def site(server: Server) -> AsyncIterator[Site]:
    assert server.credentials is not None
    credentials = server.credentials
    keys = ApplicationKeys(credentials.app_id, credentials.access_key, credentials.secret_key)
    async with AsyncProjectClient(f"http://127.0.0.1:{server.http_port}", keys) as api:
        yield Site(server, credentials, api)


@pytest.fixture
async def pump(site: Site) -> Registered:
    return await register(site)


@pytest.fixture
async def cable(site: Site) -> AsyncIterator[Cable]:
    """A way to the MQTT port that a test can cut."""
    async with Cable("127.0.0.1", site.server.mqtt_port) as cable:
        yield cable


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    await scripted.open()
    yield scripted
    await scripted.close()


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    """No test of this folder waits for ever."""
    task = asyncio.current_task()
    assert task is not None
    timer = asyncio.get_running_loop().call_later(TIMEOUT_S, task.cancel)
    yield
    timer.cancel()
