"""A project, a device with a type, and callers of its planes."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.planes.plane import Plane, Played
from tests.api.registry.house import Api, House
from thingstead.services.registry.projects import Credentials

Connect = Callable[..., httpx.AsyncClient]
FUNCTIONS = {
    "attributes": [
        {"identifier": "level", "attr_type": "both", "data_type": "number", "data_options": {"max": 10}},
        {"identifier": "setpoint", "attr_type": "push", "data_type": "number"},
    ],
    "events": [{"identifier": "opened", "params": [{"identifier": "by", "data_type": "text"}]}],
    "streams": [{"identifier": "frames", "format": "json"}],
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "thingstead.db")
    await house.open()
    yield house
    await house.close()


@pytest.fixture
async def credentials(house: House) -> Credentials:
    return await house.platform.projects.create(admin_password="correct horse battery")


@pytest.fixture
async def api(house: House, credentials: Credentials, connect: Connect) -> Api:
    """A caller of the Project API, with an administrator's token."""
    client = connect(house.serve)
    body = {"app_id": credentials.app_id, "account": "admin", "password": "correct horse battery"}
    answer = (await client.post("/api/v1/admin_login", json=body)).json()
    client.headers["Authorization"] = f"Bearer {answer['info']['access_token']}"
    return Api(client, credentials.project_id, credentials.project_key)


@pytest.fixture
async def certificate(api: Api) -> dict[str, Any]:
    """A device of a type, and what it logs in with."""
    device_id = await api.new_device(name="pump", type=await api.new_type(functions=FUNCTIONS))
    info: dict[str, Any] = await api.get(f"device/{device_id}/certificate")
    return info


@pytest.fixture
def device(house: House, certificate: dict[str, Any], connect: Connect) -> Plane:
    """The device plane, as the device sees it."""
    return Plane(connect(house.serve, "10.0.0.1"), "/device/v1", certificate)


@pytest.fixture
def app(house: House, certificate: dict[str, Any], connect: Connect) -> Plane:
    """The application plane of the device."""
    return Plane(connect(house.serve, "10.0.0.2"), "/app/device/v1", certificate)


@pytest.fixture
async def played(house: House, api: Api, certificate: dict[str, Any]) -> Played:
    """The device's live connection."""
    played = Played(house, await house.platform.devices.get(api.project_id, certificate["id"]))
    await played.connect()
    return played
