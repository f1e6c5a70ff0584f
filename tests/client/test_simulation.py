"""Simulated devices: their signals fit their definitions, and a fleet of them does what real devices do."""

import asyncio
import itertools
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.conftest import Site, until
from tests.server_process import StartServer, init, thingstead
from thingstead.client import control, data, device_types, devices, logs
from thingstead.client.simulation.fleet import FAULTS, Fleet, Plan
from thingstead.client.simulation.signals import Meter, Model, Pump, Thermometer, Wander
from thingstead.model.device_type import Functions
from thingstead.model.values.checking import CompiledFunctions, check_params

MAKES: list[type[Thermometer] | type[Pump] | type[Meter]] = [Thermometer, Pump, Meter]
STEPS = st.lists(st.floats(0, 100_000), min_size=1, max_size=40)


@pytest.mark.parametrize("make", MAKES)
@given(seed=st.integers(), begun_s=st.floats(0, 4e9), steps=STEPS)
def test_every_value_fits_the_definition(
    make: type[Thermometer] | type[Pump] | type[Meter], seed: int, begun_s: float, steps: list[float]
) -> None:
    compiled = CompiledFunctions(msgspec.convert(make.functions, Functions))
    model: Model = make(random.Random(seed))
    now_s, energy = begun_s, 0.0
    for step in steps:
        now_s += step
        values = model.measure(now_s)
        assert values.keys() == {attribute["identifier"] for attribute in make.functions["attributes"]}
        assert compiled.check(dict(values), "report") == ()
        assert values.get("energy", energy) >= energy  # a counter only counts up
        energy = values.get("energy", energy)
        event = model.event()
        if event is not None:
            assert check_params(compiled.events[event.method].params, event.params) == ()


@pytest.mark.parametrize("make", MAKES)
def test_the_same_seed_gives_the_same_signals(make: type[Thermometer] | type[Pump] | type[Meter]) -> None:
    first, second, other = (make(random.Random(seed)) for seed in (1, 1, 2))
    told = [[model.measure(now_s * 60.0) for now_s in range(50)] for model in (first, second, other)]
    assert told[0] == told[1] != told[2]


def test_a_value_wanders_as_far_as_it_should() -> None:
    wander = Wander(random.Random(3), 2.0, memory_s=10)
    values = [wander.at(now_s) for now_s in range(20_000)]
    spread = (sum(value * value for value in values) / len(values)) ** 0.5
    assert 1.8 < spread < 2.2
    assert max(abs(after - before) for before, after in itertools.pairwise(values)) < 6


def test_a_pump_does_what_it_is_told() -> None:
    pump = Pump(random.Random(1))
    pump.push({"relay": False})
    assert pump.measure(0)["state"] == "idle"
    pump.push({"relay": True})
    assert pump.measure(1)["flow"] > 0
    pump._tripped = True
    assert pump.measure(2)["state"] == "tripped"
    assert pump.run("reset", {}) == {"ok": True, "was_tripped": True}
    assert pump.measure(3)["state"] == "running"
    assert pump.run("explode", {})["ok"] is False


async def test_a_fleet_reports_takes_pushes_and_replies(site: Site) -> None:
    plan = Plan(devices=4, gateways=1, sub_devices=2, interval_s=0.05)
    fleet = Fleet(site.api, site.broker, plan)
    await fleet.register()
    running = asyncio.ensure_future(fleet.run())
    known = {device.name: device async for device in site.api.items(devices.search())}
    assert len(known) == 7

    async def all_online() -> bool:
        return len([device async for device in site.api.items(devices.search(online=True))]) == 7

    await until(all_online)
    pump, meter = known["Simulated 00001"], known["Simulated meter 000/001"]
    await site.api.run(control.push_attributes(pump.id, {"relay": False}))
    await site.api.run(control.send_command(meter.id, "read_register"))

    async def obeyed() -> bool:
        state = {item.identifier: item.value for item in await site.api.run(data.attributes(pump.id))}
        replies = [item.state async for item in site.api.items(logs.commands(meter.id))]
        return state["state"] == "idle" and state["relay"] is False and replies == ["replied"]

    await until(obeyed)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert fleet.counts["connections"] == 5
    assert fleet.counts["reports"] >= 6
    assert (fleet.counts["pushes"], fleet.counts["commands"], fleet.counts["refused values"]) == (1, 1, 0)


async def test_a_fleet_finds_its_devices_again(site: Site) -> None:
    for devices_count in (2, 3):
        plan = Plan(devices=devices_count, gateways=1, sub_devices=devices_count)
        await Fleet(site.api, site.broker, plan).register()
    names = sorted([device.name async for device in site.api.items(devices.search())])
    assert len(names) == len(set(names)) == 3 + 1 + 3


async def test_a_device_whose_certificate_is_reset_leaves_the_fleet(site: Site) -> None:
    fleet = Fleet(site.api, site.broker, Plan(devices=1, interval_s=0.05))
    await fleet.register()
    running = asyncio.ensure_future(fleet.run())

    async def connected() -> bool:
        return fleet.counts["reports"] > 0

    await until(connected)
    [device] = [device async for device in site.api.items(devices.search())]
    await site.api.run(devices.reset_certificate(device.id))
    await running
    assert fleet.counts["lost devices"] == 1


async def test_a_fleet_fills_the_past_and_makes_faults_on_purpose(site: Site) -> None:
    fleet = Fleet(site.api, site.broker, Plan(devices=1, interval_s=0.02, history_s=7_200, faults=True))
    await fleet.register()
    running = asyncio.ensure_future(fleet.run())

    async def every_fault() -> bool:
        return all(fleet.counts[f"faults: {fault}"] for fault in FAULTS)

    await until(every_fault)
    running.cancel()
    await asyncio.wait([running])
    assert 119 <= fleet.counts["past reports"] <= 121
    assert fleet.counts["refused values"] >= 1
    [device] = [device async for device in site.api.items(devices.search())]
    begun = device.create_time
    past = data.series(device.id, "temperature", start_time=begun - 7_300_000, end_time=begun - 3_700_000)
    points = await site.api.run(past)
    assert len(points) >= 50


async def test_a_fleet_is_removed_with_its_types_and_nothing_else(site: Site) -> None:
    fleet = Fleet(site.api, site.broker, Plan(devices=3, gateways=1, sub_devices=2))
    await fleet.register()
    mine = await site.api.run(devices.create("mine", device_key="sim-mine"))
    assert await fleet.remove() == 6
    assert [device.id async for device in site.api.items(devices.search())] == [mine.id]
    assert (await site.api.run(device_types.list_all())).items == []


def test_the_command_fails_where_no_device_can_connect(start_server: StartServer, tmp_path: Path) -> None:
    credentials = init(tmp_path / "data")
    (tmp_path / "credentials.json").write_bytes(msgspec.json.encode(credentials))
    server = start_server(tmp_path / "data")
    keys = ("--url", server.url, "--credentials", tmp_path / "credentials.json")
    done = simulate(*keys, "--mqtt-port", "1", "--interval", "0.1", "--duration", "2")
    assert (done.returncode, "no device could connect to 127.0.0.1:1" in done.stderr) == (1, True), done.stderr
    removed = simulate(*keys, "--remove")
    assert json.loads(removed.stdout) == {"removed devices": 6}


def simulate(*arguments: str | Path) -> Any:
    return thingstead("simulate", "--devices", "3", "--gateways", "1", "--sub-devices", "2", "--json", *arguments)


def test_the_command_runs_a_fleet(start_server: StartServer, tmp_path: Path) -> None:
    credentials = init(tmp_path / "data")
    (tmp_path / "credentials.json").write_bytes(msgspec.json.encode(credentials))
    server = start_server(tmp_path / "data")
    done = simulate(
        "--url", server.url, "--mqtt-port", str(server.mqtt_port), "--credentials", tmp_path / "credentials.json",
        "--interval", "0.1", "--duration", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["connections"] == 4
    assert counts["sub-devices"] == 2
    assert counts["reports"] >= 10
    assert "failed reports" not in counts


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "app_id, access_key, secret_key missing"),
        (("--app-id", "a", "--access-key", "b", "--secret-key", "c", "--url", "ftp://x"), 1, "url"),
        (("--app-id", "a", "--access-key", "b", "--secret-key", "c", "--url", "http://127.0.0.1:1"), 1, "127.0.0.1:1"),
        (("--credentials", "-"), 2, "--credentials"),
        (("--interval", "0"), 2, "--interval"),
        (("--history", "a week"), 2, "is not a time span"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], code: int, message: str) -> None:
    done = simulate(*arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
