"""Two projects on one server, and a caller in each."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.api.registry.house import Api, House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "store.db")
    await house.open()
    yield house
    await house.close()


@pytest.fixture
def enter(house: House, connect: Callable[..., httpx.AsyncClient]) -> Callable[[], Awaitable[Api]]:
    """Makes a project and a caller in it."""

    async def make() -> Api:
        credentials = await house.platform.projects.create(admin_password="correct horse battery")
        client = connect(house.serve)
        body = {
            "app_id": credentials.app_id,
            "access_key": credentials.access_key,
            "secret_key": credentials.secret_key,
        }
        answer = (await client.post("/api/v1/access_token", json=body)).json()
        client.headers["Authorization"] = f"Bearer {answer['info']['access_token']}"
        return Api(client, credentials.project_id, credentials.project_key)

    return make


@pytest.fixture
async def api(enter: Callable[[], Awaitable[Api]]) -> Api:
    """A caller of a project."""
    return await enter()


@pytest.fixture
async def stranger(enter: Callable[[], Awaitable[Api]]) -> Api:
    """A caller of another project on the same server."""
    return await enter()
