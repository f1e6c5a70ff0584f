"""Devices and applications that use a cluster during a run, and write down what they saw."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from tests.faults.checker import ALARM_ABOVE, ALARM_PERIOD
from tests.faults.nemesis import Nemesis
from tests.faults.nodes import Cluster
from tests.faults.records import Alarm, CommandSeen, Gap, Memory, Presence, Reported, Run, Seen
from tests.project_api import Certificate
from thingstead.client import Broker, MqttDevice, PastReport, Subscriber, ViewKeys
from thingstead.client import Certificate as DeviceCertificate
from thingstead.client.subscriber import GAP
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.services.registry.projects import Credentials

DEVICES = 4
REPORT_PAUSE_S = 0.03
READ_PAUSE_S = 0.05
QUIET_S = 60.0  # at the end, for everything to be as it should


class Plant:
    """The users of a cluster."""

    def __init__(self, cluster: Cluster, credentials: Credentials, chance: random.Random) -> None:
        self._cluster = cluster
        self._credentials = credentials
        self._chance = chance
        self._certificates: list[Certificate] = []
        self._devices: dict[str, MqttDevice] = {}
        self._tokens: dict[str, str] = {}  # device by its view token
        self._stopping = False
        self.run = Run([], [], [], [], [], {}, [], {}, {})

    async def set_up(self) -> None:
        """Creates the devices and the rule, while nothing is wrong."""
        async with self._api(self._cluster.http.port, 20) as api:
            for _ in range(DEVICES):
                device_id = (await call(api, "POST", "/device", {"name": "pump"}))["id"]
                kept = await call(api, "GET", f"/device/{device_id}/certificate")
                self._certificates.append(Certificate(device_id, kept["access_token"], kept["project_key"]))
                self._tokens[(await call(api, "GET", f"/device/{device_id}"))["view_token"]] = device_id
            rule = {
                "name": "high",
                "devices": [each.device_id for each in self._certificates],
                "raise": {"attribute": "phase", "op": ">", "value": ALARM_ABOVE},
            }
            await call(api, "POST", "/alarm_rule", rule)

    async def work(self, nemesis: Nemesis, playing: Awaitable[None]) -> Run:
        """Everybody works until the faults are over; then what is there is read."""
        async with AsyncExitStack() as stack:
            workers = [self._command(), self._watch_presence(), self._watch_memory(nemesis)]
            for certificate in self._certificates:
                broker = Broker("127.0.0.1", self._cluster.mqtt.port)
                device = MqttDevice(
                    DeviceCertificate(certificate.access_token, certificate.project_key),
                    broker,
                    command=lambda command: {"n": command.params.get("n")},
                    keep_alive_s=4,
                    timeout_s=600,
                )
                await stack.enter_async_context(device)
                self._devices[certificate.device_id] = device
                workers.append(self._report(certificate.device_id, device))
            ports = {"balancer": self._cluster.http.port}
            ports |= {node.name: node.http_port for node in self._cluster.nodes}
            workers += [self._read(name, port) for name, port in ports.items()]
            tasks = [asyncio.create_task(worker) for worker in workers]
            await playing
            self._stopping = True
            async with asyncio.timeout(QUIET_S):
                await asyncio.gather(*tasks[2 + 1 :])
            await self._look_at_the_end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.run

    async def _report(self, device_id: str, device: MqttDevice) -> None:
        """One report after the other; each is sent until it is acknowledged."""
        value, ts = 0, 0
        while not self._stopping:
            value += 1
            ts = max(ts + 1, time.time_ns() // 1_000_000)
            begun_s = time.monotonic()
            report = PastReport(ts=ts, attributes={"count": value, "phase": value % ALARM_PERIOD})
            number = len(self.run.reports)
            self.run.reports.append(Reported(device_id, value, ts, begun_s, float("inf"), "unknown"))
            try:
                refused = await device.report_past([report])
                outcome = "failed" if refused else "ok"
            except Unavailable:
                outcome = "unknown"
            except ThingsteadError:
                outcome = "failed"
            self.run.reports[number] = Reported(device_id, value, ts, begun_s, time.monotonic(), outcome)  # type: ignore[arg-type]
            await asyncio.sleep(REPORT_PAUSE_S * self._chance.uniform(0.5, 1.5))

    async def _read(self, reader: str, port: int) -> None:
        """Reads current values, of the balancer or of one node directly."""
        async with self._api(port, 2) as api:
            while not self._stopping:
                device_id = self._chance.choice(self._certificates).device_id
                begun_s = time.monotonic()
                with contextlib.suppress(httpx.HTTPError, Refused, ValueError):
                    items = await call(api, "GET", f"/device/{device_id}/attributes")
                    values = {item["identifier"]: item["value"] for item in items}
                    self.run.reads.append(Seen(device_id, reader, values.get("count") or 0, begun_s, time.monotonic()))
                await asyncio.sleep(READ_PAUSE_S)

    async def _command(self) -> None:
        """Sends commands that may wait, and looks at their states."""
        async with self._api(self._cluster.http.port, 2) as api:
            number = 0
            while not self._stopping:
                number += 1
                device_id = self._chance.choice(self._certificates).device_id
                body = {"method": "turn", "params": {"n": number}, "wait_ms": 5_000}
                command = ""
                with contextlib.suppress(httpx.HTTPError, Refused, ValueError):
                    path = f"/control/device/{device_id}/command"
                    command = (await call(api, "POST", path, body))["id"]
                until_s = time.monotonic() + 8
                while command and time.monotonic() < until_s and not self._stopping:
                    begun_s = time.monotonic()
                    with contextlib.suppress(httpx.HTTPError, Refused, ValueError):
                        state = (await call(api, "GET", f"/command/{command}"))["state"]
                        self.run.commands.append(CommandSeen(command, state, begun_s, time.monotonic()))
                        if state in {"replied", "failed", "expired"}:
                            break
                    await asyncio.sleep(0.2)
                await asyncio.sleep(0.3)

    async def _watch_presence(self) -> None:
        keys = ViewKeys(self._credentials.view_key, self._credentials.view_secret)
        broker = Broker("127.0.0.1", self._cluster.mqtt.port)
        async with Subscriber(keys, broker, kinds=("online",), keep_alive_s=4) as subscriber:
            async for notice in subscriber:
                if notice.kind == GAP:
                    self.run.news.append(Gap(time.monotonic()))
                else:
                    self.run.news.append(
                        Presence(self._tokens[notice.view_token], notice.body["online"], time.monotonic())
                    )

    async def _watch_memory(self, nemesis: Nemesis) -> None:
        while True:
            for node in self._cluster.nodes:
                size_bytes = node.memory_bytes()
                if size_bytes is not None:
                    name = f"{node.name} (pid {node.pid})"
                    self.run.memory.append(Memory(name, time.monotonic(), size_bytes, nemesis.database_away))
            await asyncio.sleep(0.5)

    async def _look_at_the_end(self) -> None:
        """Waits until everybody is connected; then reads what is stored."""
        async with asyncio.timeout(QUIET_S):
            for device in self._devices.values():
                await device.wait_connected()
        async with self._api(self._cluster.http.port, 20) as api:
            await self._until_online(api)
            for device_id, device in self._devices.items():
                self.run.connected[device_id] = device.connected
                self.run.online[device_id] = (await read(api, f"/device/{device_id}"))["online"]
                self.run.stored[device_id] = [
                    (item["ts"], item["value"])
                    async for item in pages(api, f"/device/{device_id}/attribute/count/series", 500)
                ][::-1]
            self.run.alarms.extend(
                [
                    Alarm(item["device_id"], item["raised_at"], item.get("cleared_at"))
                    async for item in pages(api, "/alarms", 100)
                ]
            )

    async def _until_online(self, api: httpx.AsyncClient) -> None:
        """Presence follows connections within a moment; what is wrong after that stays wrong."""
        until_s = time.monotonic() + 5
        while time.monotonic() < until_s:
            shown = [(await read(api, f"/device/{device_id}"))["online"] for device_id in self._devices]
            if shown == [device.connected for device in self._devices.values()]:
                return
            await asyncio.sleep(0.2)

    @asynccontextmanager
    async def _api(self, port: int, timeout_s: float) -> AsyncIterator[httpx.AsyncClient]:
        """A caller of the Project API, logged in when it can be."""
        url = f"http://127.0.0.1:{port}/api/v1"
        async with httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False) as api:
            api.event_hooks["request"] = [self._log_in]
            yield api

    async def _log_in(self, request: httpx.Request) -> None:
        """Adds an AccessToken, which all callers share, since any node takes it."""
        if not self._token and not request.url.path.endswith("/access_token"):
            keys = {name: getattr(self._credentials, name) for name in ("app_id", "access_key", "secret_key")}
            url = f"http://127.0.0.1:{self._cluster.http.port}/api/v1"
            async with httpx.AsyncClient(base_url=url, timeout=5, trust_env=False) as api:
                self._token = (await call(api, "POST", "/access_token", keys))["access_token"]
        request.headers["Authorization"] = f"Bearer {self._token}"

    _token = ""


class Refused(Exception):
    """A call was refused."""


async def call(api: httpx.AsyncClient, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """The ``info`` of a call. Raises Refused, or an error of httpx."""
    answer = (await api.request(method, path, json=body, params=query)).json()
    if answer.get("result") is not True:
        raise Refused(str(answer))
    return answer["info"]


async def read(api: httpx.AsyncClient, path: str, **query: Any) -> Any:
    """The ``info`` of a read, which is tried again for a while."""
    async with asyncio.timeout(QUIET_S):
        while True:
            with contextlib.suppress(httpx.HTTPError, Refused):
                return await call(api, "GET", path, **query)
            await asyncio.sleep(0.2)


async def pages(api: httpx.AsyncClient, path: str, size: int) -> AsyncIterator[Any]:
    """The items of every page of a list."""
    page = 1
    while True:
        info = await read(api, path, page=page, page_records=size)
        items = info["items"] if isinstance(info, dict) else info
        for item in items:
            yield item
        if len(items) < size:
            return
        page += 1
