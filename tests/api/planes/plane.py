"""Callers of the planes of one device, and the device itself on a connection that a test plays."""

import asyncio
from typing import Any

import httpx
import msgspec

from tests.api.registry.house import House
from thingstead.model.device import Device, DeviceSession
from thingstead.model.messages import AttributesPushed, CommandIssued, DataSent
from thingstead.refusals import TEXTS

OK = {"result": 1}


class Plane:
    """Sends requests with one device's certificate."""

    def __init__(self, client: httpx.AsyncClient, root: str, certificate: dict[str, Any]) -> None:
        self.client = client
        self.root = root
        self.certificate = certificate
        client.headers["Project-Key"] = certificate["project_key"]

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self.client.request(method, f"{self.root}/{self.certificate['access_token']}/{path}", **request)

    async def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """The answer to what HTTP calls 200."""
        content = None if body is None else msgspec.json.encode(body)
        response = await self.send(method, path, content=content, params=query)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        return response.json()

    async def refused(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, str]:
        """errcode and message of a refusal."""
        answer = await self.ask(method, path, body, **query)
        assert answer.keys() == {"result", "errcode", "message", "code"}
        assert answer["code"] in TEXTS
        assert answer["result"] == 0
        return answer["errcode"], answer["message"]


class Played:
    """A device whose live connection is this object."""

    def __init__(self, house: House, device: Device) -> None:
        self._house = house
        self._control = house.platform.control
        self.device = device
        self.commands: asyncio.Queue[CommandIssued] = asyncio.Queue()
        self.pushed: list[AttributesPushed] = []
        self.data: list[DataSent] = []
        house.bus.subscribe(CommandIssued, self._take)
        house.bus.subscribe(AttributesPushed, self.pushed.append)
        house.bus.subscribe(DataSent, self.data.append)

    async def connect(self, session_id: str = "session1", protocol: str = "mqtt") -> None:
        session = DeviceSession(
            session_id=session_id,
            node="local",
            protocol=protocol,
            client_id=f"client of {session_id}",
            remote_address="10.0.0.1",
            connected_at=self._house.clock.now_ms(),
        )
        await self._house.platform.presence.open(self.device, session)

    def _take(self, command: CommandIssued) -> None:
        self._control.command_sent(command.command_row_id, 1)
        self.commands.put_nowait(command)

    def reply(self, command: CommandIssued, **params: Any) -> None:
        body = {"method": command.method, "params": params, "id": command.command_id}
        self._control.reply(self.device, command.command_id, msgspec.json.encode(body))
