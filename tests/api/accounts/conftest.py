"""Two projects on one server, with an application and an administrator in each."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.registry.house import House
from thingstead.config import AccountSettings, Config
from thingstead.services.registry.projects import Credentials

CONFIG = Config(account=AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1))
PASSWORD = "correct horse battery"
ORIGIN = "http://thingstead"
PAGE = {"X-Thingstead": "1", "Origin": ORIGIN}  # what a page of this server sends
SESSION = "/api/v1/console/session"
Connect = Callable[..., httpx.AsyncClient]


class Tenant:
    """A project: its credentials, and a caller of each kind."""

    def __init__(self, client: httpx.AsyncClient, credentials: Credentials) -> None:
        self.client = client
        self.credentials = credentials
        self.app_token = ""
        self.admin_token = ""

    @property
    def keys(self) -> dict[str, str]:
        """The body of ``access_token``."""
        names = ("app_id", "access_key", "secret_key")
        return {name: getattr(self.credentials, name) for name in names}

    @property
    def login(self) -> dict[str, str]:
        """The body of ``admin_login``."""
        account = self.credentials.admin_account
        return {"app_id": self.credentials.app_id, "account": account, "password": PASSWORD}

    async def log_in(self) -> None:
        self.app_token = await self.token("access_token", self.keys)
        self.admin_token = await self.token("admin_login", self.login)

    async def token(self, path: str, body: dict[str, str]) -> str:
        answer = (await self.client.post(f"/api/v1/{path}", json=body)).json()
        assert answer["result"] is True, answer
        return str(answer["info"]["access_token"])

    async def ask(self, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.request(method, f"/api/v1/{path}", json=body, headers=headers)

    async def app(self, method: str, path: str, body: Any = None) -> Any:
        """The whole answer to a request of the application."""
        return (await self.ask(self.app_token, method, path, body)).json()

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        """The whole answer to a request of the administrator."""
        return (await self.ask(self.admin_token, method, path, body)).json()

    async def info(self, method: str, path: str, body: Any = None) -> Any:
        """The ``info`` of a success of the administrator, who may do everything."""
        answer = await self.admin(method, path, body)
        assert answer["result"] is True, answer
        return answer["info"]


class Browser:
    """A page of this server in a browser of its own."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def log_in(self, **body: Any) -> Any:
        """The whole answer."""
        given = {"account": "admin", "password": PASSWORD} | body
        return (await self.client.post(SESSION, json=given, headers=self.headers)).json()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.client.request(method, f"/api/v1/{path}", json=body, headers=self.headers | headers)

    async def status(self) -> int:
        """What the session opens: 200 or 401."""
        return (await self.ask("GET", "project")).status_code

    @property
    def secret(self) -> str:
        [cookie] = self.client.cookies.jar
        return str(cookie.value)


Open = Callable[..., Browser]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "thingstead.db", CONFIG)
    await house.open()
    yield house
    await house.close()


@pytest.fixture
def enter(house: House, connect: Connect) -> Callable[[str], Awaitable[Tenant]]:
    """Makes a project with callers; the argument is the address that they call from."""

    async def make(address: str) -> Tenant:
        credentials = await house.platform.projects.create(admin_password=PASSWORD)
        tenant = Tenant(connect(house.serve, address), credentials)
        await tenant.log_in()
        return tenant

    return make


@pytest.fixture
async def tenant(enter: Callable[[str], Awaitable[Tenant]]) -> Tenant:
    return await enter("10.0.0.1")


@pytest.fixture
async def neighbor(enter: Callable[[str], Awaitable[Tenant]]) -> Tenant:
    """Another project on the same server."""
    return await enter("10.0.0.2")


@pytest.fixture
def browser(house: House, connect: Connect) -> Open:
    """Opens a browser."""

    def make(address: str = "10.0.0.1", headers: dict[str, str] | None = None) -> Browser:
        return Browser(connect(house.serve, address), PAGE if headers is None else headers)

    return make


@pytest.fixture
async def person(tenant: Tenant, browser: Open) -> Browser:
    """Somebody who is logged in."""
    opened = browser()
    assert (await opened.log_in())["result"] is True
    return opened
