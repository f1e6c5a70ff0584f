"""A fleet of simulated devices: registered through the Project API, connected over MQTT.

Registering is idempotent: devices are known by their DeviceKey (``sim-…``), types by their name. So a fleet can be
started again, or made larger, and keeps its devices.
"""

import asyncio
import math
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from thingstead.client.mqtt_device import MqttDevice, ReceivedCommand
from thingstead.client.mqtt_gateway import MqttGateway
from thingstead.client.mqtt_session import Broker
from thingstead.client.planes import Certificate, PastReport
from thingstead.client.project import device_types, devices
from thingstead.client.projects import AsyncProjectClient
from thingstead.client.simulation.signals import Meter, Model, Pump, Thermometer
from thingstead.errors import Conflict, InvalidInput, NotAuthenticated, Unavailable
from thingstead.model.device_type import ConnType

IMPORT_ROWS = 1_000  # rows in one call
REGISTERING_AT_ONCE = 32
CONNECTING_AT_ONCE = 200
RETRY_S = 1.0  # between attempts of a device that was never connected
HISTORY_STEP_S = 60  # between past reports, unless the interval is longer
HISTORY_REPORTS = 500  # in one message
FAULTS = ("late", "repeated", "wrong type")
FAULT_SHARE = 0.1  # of the reports
LATE_S = 3_600.0
DEVICE_KEYS = re.compile(r"sim-(?:d-\d{5,}|g-\d{3,}|m-\d{3,}-\d{3,})")
MAKES: tuple[type[Thermometer] | type[Pump], ...] = (Thermometer, Pump)
GATEWAY_TYPE = "Simulated gateways"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Size of a fleet, and its report interval."""

    devices: int
    gateways: int = 0
    sub_devices: int = 0  # for each gateway
    interval_s: float = 10.0  # between two reports of a device
    seed: int = 0
    history_s: float = 0.0  # before now, filled with past reports of each direct device
    faults: bool = False  # now and then a late report, a repeated one, or one with a value of a wrong type


class Fleet:
    """Simulated devices of one project. Call :meth:`register` first, then :meth:`run`."""

    def __init__(self, api: AsyncProjectClient, broker: Broker, plan: Plan) -> None:
        self._api = api
        self._broker = broker
        self._plan = plan
        self._devices: list[tuple[Certificate, Model]] = []
        self._gateways: list[tuple[Certificate, dict[str, Model]]] = []
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._registering = asyncio.Semaphore(REGISTERING_AT_ONCE)
        self._faults = self._chance("faults")
        self.counts: Counter[str] = Counter()

    async def register(self) -> None:
        """Creates missing types and devices in the project, and reads the certificates."""
        plan = self._plan
        types = [await self._type(make.type_name, make.functions, "1") for make in MAKES]
        rows = [
            {"name": f"Simulated {number:05}", "type": types[number % len(MAKES)], "device_key": f"sim-d-{number:05}"}
            for number in range(plan.devices)
        ]
        certificates = await self._import(rows)
        for number, (_, certificate) in enumerate(certificates):
            self._devices.append((certificate, MAKES[number % len(MAKES)](self._chance(f"d{number}"))))
        if plan.gateways:
            await self._register_gateways()

    async def remove(self) -> int:
        """Deletes every device of the project that a fleet has registered, sub-devices before their gateways, and the
        types that no device has any more. Returns the number of devices."""
        found = {item.id: item.device_key or "" async for item in self._api.items(devices.search(keyword="sim-"))}
        ours = sorted((key, device_id) for device_id, key in found.items() if DEVICE_KEYS.fullmatch(key))
        for _, device_id in reversed(ours):  # sim-m-… before sim-g-…
            await self._api.run(devices.delete(device_id))
        names = {GATEWAY_TYPE, Meter.type_name, *(make.type_name for make in MAKES)}
        for device_type in (await self._api.run(device_types.list_all())).items:
            if device_type.name in names and not device_type.device_count:
                await self._api.run(device_types.delete(device_type.id))
        return len(ours)

    async def run(self, duration_s: float | None = None) -> None:
        """Runs the fleet for a time, or until cancelled."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._run_device(*device)) for device in self._devices]
            tasks += [group.create_task(self._run_gateway(*gateway)) for gateway in self._gateways]
            if duration_s is not None:
                await asyncio.sleep(duration_s)
                for task in tasks:
                    task.cancel()

    # Registration

    async def _type(self, name: str, functions: dict[str, Any] | None, conn_type: ConnType) -> str:
        known = await self._api.run(device_types.list_all())
        for device_type in known.items:
            if device_type.name == name:
                return device_type.id
        call = device_types.create(name, conn_type=conn_type, functions=functions)
        return (await self._api.run(call)).id

    async def _import(self, rows: Sequence[dict[str, str]]) -> list[tuple[str, Certificate]]:
        """Id and certificate of the device of each row."""
        ids: list[str] = []
        for start in range(0, len(rows), IMPORT_ROWS):
            imported = await self._api.run(devices.import_many(rows[start : start + IMPORT_ROWS]))
            for row in imported.items:
                if not row.id:
                    raise InvalidInput("no_answer", detail=f"a device was refused: {row.errors}")
                ids.append(row.id)
        return await asyncio.gather(*(self._certificate(device_id) for device_id in ids))

    async def _certificate(self, device_id: str) -> tuple[str, Certificate]:
        async with self._registering:
            found = await self._api.run(devices.certificate(device_id))
        return device_id, Certificate(found.access_token, found.project_key)

    async def _register_gateways(self) -> None:
        gateway_type = await self._type(GATEWAY_TYPE, None, "3")
        meter_type = await self._type(Meter.type_name, Meter.functions, "2")
        rows = [
            {"name": f"Simulated gateway {number:03}", "type": gateway_type, "device_key": f"sim-g-{number:03}"}
            for number in range(self._plan.gateways)
        ]
        for number, (device_id, certificate) in enumerate(await self._import(rows)):
            addresses = [f"{address:03}" for address in range(self._plan.sub_devices)]
            known = {item.sub_address async for item in self._api.items(devices.search(gateway=device_id))}
            missing = [address for address in addresses if address not in known]
            await asyncio.gather(*(self._add_meter(meter_type, number, device_id, address) for address in missing))
            meters: dict[str, Model] = {address: Meter(self._chance(f"g{number}/{address}")) for address in addresses}
            self._gateways.append((certificate, meters))

    async def _add_meter(self, type_id: str, number: int, gateway: str, address: str) -> None:
        name, key = f"Simulated meter {number:03}/{address}", f"sim-m-{number:03}-{address}"
        call = devices.create(name, type=type_id, device_key=key, gateway=gateway, sub_address=address)
        async with self._registering:
            await self._api.run(call)

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._plan.seed}/{name}")  # noqa: S311 - makes signals, not secrets

    # Operation

    async def _run_device(self, certificate: Certificate, model: Model) -> None:
        device = MqttDevice(certificate, self._broker, push=self._pushed(model), command=self._commanded(model))

        async def work() -> None:
            await self._fill_history(device, model)
            async for now_s in self._ticks():
                await self._report(device, model.measure(now_s), now_s)
                event = model.event()
                if event is not None:
                    await self._count("events", device.event(event.method, event.params))

        await self._live(device, work)

    async def _fill_history(self, device: MqttDevice, model: Model) -> None:
        """Reports the past at full minutes or longer steps, so that a second run repeats the same instants."""
        step_s = max(HISTORY_STEP_S, math.ceil(self._plan.interval_s))
        now_s = time.time()
        first = math.ceil((now_s - self._plan.history_s) / step_s)
        instants = [number * step_s for number in range(first, int(now_s / step_s))]
        for start in range(0, len(instants), HISTORY_REPORTS):
            reports = [
                PastReport(ts=at_s * 1000, attributes=model.measure(at_s))
                for at_s in instants[start : start + HISTORY_REPORTS]
            ]
            await self._count("past reports", device.report_past(reports), len(reports))

    async def _report(self, device: MqttDevice, values: dict[str, Any], now_s: float) -> None:
        fault = self._faults.choice(FAULTS) if self._plan.faults and self._faults.random() < FAULT_SHARE else ""
        if fault:
            self.counts[f"faults: {fault}"] += 1
        if fault == "wrong type":
            values = {**values, next(iter(values)): "not a number"}
        at_s = now_s - LATE_S if fault == "late" else now_s
        if fault in ("late", "repeated"):
            past = PastReport(ts=round(at_s * 1000), attributes=values)
            await self._count("reports", device.report_past([past, past] if fault == "repeated" else [past]))
        else:
            await self._count("reports", device.report(values))

    async def _run_gateway(self, certificate: Certificate, meters: dict[str, Model]) -> None:
        gateway = MqttGateway(certificate, self._broker)

        async def work() -> None:
            for address, model in meters.items():
                meter = gateway.sub_device(address, push=self._pushed(model), command=self._commanded(model))
                await self._count("sub-devices", meter.connect())
            async for now_s in self._ticks():
                values = {address: model.measure(now_s) for address, model in meters.items()}
                await self._count("reports", gateway.report_all(values), len(meters))

        await self._live(gateway, work)

    async def _live(self, device: MqttDevice, work: Callable[[], Awaitable[None]]) -> None:
        """Connects a device, retrying until the server is reachable, and runs its work. A permanent failure is
        counted."""
        await asyncio.sleep(random.uniform(0, min(self._plan.interval_s, 10.0)))  # noqa: S311 - spreads them in time
        try:
            await self._open(device)
            await work()
        except (NotAuthenticated, Conflict):
            self.counts["lost devices"] += 1
        finally:
            await device.close()

    async def _open(self, device: MqttDevice) -> None:
        while True:
            try:
                async with self._connecting:
                    await device.open()
            except Unavailable:
                self.counts["failed connections"] += 1
                await asyncio.sleep(RETRY_S)
            else:
                self.counts["connections"] += 1
                return

    async def _ticks(self) -> AsyncIterator[float]:
        """Times of the reports: every interval, with jitter."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            yield time.time()
            due_s = max(loop.time(), due_s + self._plan.interval_s * random.uniform(0.95, 1.05))  # noqa: S311 - jitter
            await asyncio.sleep(due_s - loop.time())

    async def _count(self, what: str, sent: Awaitable[list[str] | None], count: int = 1) -> None:
        try:
            refused = await sent
        except (InvalidInput, Unavailable):
            self.counts[f"failed {what}"] += count
        else:
            self.counts[what] += count
            if refused:
                self.counts["refused values"] += len(refused)

    def _pushed(self, model: Model) -> Callable[[dict[str, Any]], None]:
        def take(attributes: dict[str, Any]) -> None:
            self.counts["pushes"] += 1
            model.push(attributes)

        return take

    def _commanded(self, model: Model) -> Callable[[ReceivedCommand], dict[str, Any]]:
        def run(command: ReceivedCommand) -> dict[str, Any]:
            self.counts["commands"] += 1
            return model.run(command.method, command.params)

        return run
