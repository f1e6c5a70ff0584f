"""The Project API over a real store: two projects, and a caller in each."""

from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.stores import open_store
from thingstead.api.app import create_app
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.config import AccountSettings, ApiSettings, Config
from thingstead.errors import NotFound
from thingstead.model.alarms.alarm import AlarmChange, AlarmLog
from thingstead.model.messages import BusMessage, DeviceChanged, DeviceTypeChanged, SessionsRevoked
from thingstead.model.report import Report
from thingstead.refusals import TEXTS
from thingstead.server.platforms import build_platform
from thingstead.services.shared.commits import settled

CONFIG = Config(
    account=AccountSettings(
        access_token_life_s=30 * 24 * 3600,  # tests move the clock by days
        password_hash_memory_kib=8192,
        password_hash_passes=1,
    )
)


def assert_told(refusal: dict[str, Any]) -> None:
    """A message, and a code whose texts name no more than the arguments that come with it."""
    assert refusal["message"]
    for text in TEXTS[refusal["code"]].values():
        text.format_map(refusal["args"])


class Refusal(NamedTuple):
    """A failed function."""

    errcode: int
    fields: set[str]  # the bad ones
    message: str


class Api:
    """A caller of one project. Every answer but a success or a refusal by the envelope fails the test."""

    def __init__(self, client: httpx.AsyncClient, project_id: str, project_key: str) -> None:
        self.client = client
        self.project_id = project_id
        self.project_key = project_key

    async def call(self, method: str, path: str, /, body: Any = None, **query: Any) -> Any:
        """The ``info`` of a success."""
        answer = await self._answer(method, path, body, query)
        assert answer["result"] is True, answer
        assert answer.keys() == {"result", "info"}
        return answer["info"]

    async def refusal(self, method: str, path: str, /, body: Any = None, **query: Any) -> Refusal:
        answer = await self._answer(method, path, body, query)
        assert answer["result"] is False, answer
        answer.pop("info", None)  # of a conflict
        assert answer.keys() == {"result", "errcode", "message", "code", "args", "errors"}
        assert_told(answer)
        fields = {error["field"] for error in answer["errors"]}
        for error in answer["errors"]:
            assert_told(error)
        return Refusal(answer["errcode"], fields, answer["message"])

    async def _answer(self, method: str, path: str, body: Any, query: dict[str, Any]) -> Any:
        response = await self.client.request(method, f"/api/v1/{path}", json=body, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def get(self, path: str, /, **query: Any) -> Any:
        return await self.call("GET", path, **query)

    async def new_device(self, **body: Any) -> str:
        """The id of a new device."""
        info = await self.call("POST", "device", {"name": "a device"} | body)
        return str(info["id"])

    async def new_type(self, **body: Any) -> str:
        """The id of a new device type."""
        info = await self.call("POST", "device_type", {"name": "a type"} | body)
        return str(info["id"])

    async def new_group(self, **body: Any) -> str:
        """The id of a new device group."""
        info = await self.call("POST", "device_group", {"name": "a group"} | body)
        return str(info["id"])


class House:
    """The store, and what stands on it; :meth:`reopen` closes and opens it again, as a restart does."""

    def __init__(self, path: Path, config: Config = CONFIG) -> None:
        self._config = config
        self.clock = ManualClock()
        self.heard: list[BusMessage] = []  # what the bus carried since it was last cleared
        self._path = self.path = path

    async def open(self) -> None:
        self.store = await open_store(self._path, self.clock)
        self.bus = LocalBus(round_trip=True)
        for kind in (DeviceChanged, DeviceTypeChanged, SessionsRevoked):
            self.bus.subscribe(kind, self.heard.append)
        self.platform = build_platform(self.store, self.bus, self.clock, self._config)
        await self.platform.alarms.engine.start(run=False)
        self.app = create_app(self.platform, ApiSettings(), self.store.trouble)

    async def close(self) -> None:
        await self.platform.control.close()
        await self.platform.ingest.close()
        await self.platform.alarms.engine.close()
        await self.platform.forwarding.forwarder.close()
        await self.platform.notify.dispatcher.close()
        await self.platform.functions.close()
        await self.bus.close()
        await self.store.close()

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application of the present opening."""
        await self.app(scope, receive, send)

    async def report(self, device_id: str, ts: int | None = None, **attributes: Any) -> None:
        """A report of the device, on disk."""
        now = self.clock.now_ms()
        report = Report(await self.number(device_id), now if ts is None else ts, now, attributes)
        await settled(self.store.history.append(report))

    async def send(self, project_id: str, device_id: str, ts: int | None = None, **attributes: Any) -> None:
        """A report of the device by way of ingest, so that rules see it; on disk."""
        device = await self.store.devices.get(project_id, device_id)
        link = await self.platform.ingest.link(device)
        commit = self.platform.ingest.report_values(link, attributes, ts).commit
        assert commit is not None
        await settled(commit)

    async def settle(self) -> None:
        """What time and rules bring about is on disk."""
        await self.platform.alarms.engine.sweep()
        await settled(self.store.alarms.append([]))

    async def record(self, message: AlarmLog) -> None:
        """An alarm message, on disk."""
        change = AlarmChange(
            project_id=message.project_id,
            device_id=message.device_id,
            rule_id=message.rule_id,
            state=None,
            messages=(message,),
        )
        await settled(self.store.alarms.append([change]))

    async def number(self, device_id: str) -> int:
        """The compact key of a device of any project."""
        for project in await self.store.projects.list_all():
            try:
                return (await self.store.devices.get(project.id, device_id)).number
            except NotFound:
                continue
        raise AssertionError(f"there is no device {device_id}")


async def administrator(api: Api, house: House) -> dict[str, str]:
    """The header of the project's administrator."""
    [application] = await house.store.accounts.list_applications(api.project_id)
    body = {"app_id": application.id, "account": "admin", "password": "correct horse battery"}
    answer = (await api.client.post("/api/v1/admin_login", json=body)).json()
    return {"Authorization": f"Bearer {answer['info']['access_token']}"}
