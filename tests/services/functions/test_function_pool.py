"""Calls of functions: order of work, limits of what waits, failures, processes that end, time zones."""

import asyncio
import os
import signal
from typing import Any

import pytest

from tests.services.functions.conftest import GOOD, PATIENT, Run
from thingstead.config.settings import FunctionSettings
from thingstead.services.functions import pool as pool_module
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.functions.results import FunctionResult

FAILS = "module.exports = function () { throw new Error('no') }"
LOOPS = "module.exports = function () { for(;;); }"
HANGS = "module.exports = function () { return 'a'.repeat(6e6).indexOf('a'.repeat(3e6)+'b') }"


async def good(pool: FunctionPool, number: int, project: str = "") -> FunctionResult:
    return await pool.call("good", GOOD, {"n": number}, on="after_report", project=project)


async def test_many_calls_at_once_get_each_its_own_result(pool: FunctionPool) -> None:
    results = await asyncio.gather(*(good(pool, number) for number in range(1_000)))
    assert [result.value for result in results] == [{"twice": 2 * number} for number in range(1_000)]
    assert pool.starts == 1
    assert (pool.waiting, pool.waiting_bytes) == (0, 0)


async def test_no_process_is_started_before_the_first_call_and_none_is_left_after_the_end() -> None:
    pool = FunctionPool(PATIENT)
    assert pool.pids == []
    await good(pool, 1)
    [pid] = pool.pids
    await pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (await good(pool, 1)).reason == "deadline"


async def test_a_killed_worker_is_replaced_and_its_calls_are_made_again(pool: FunctionPool) -> None:
    await good(pool, 0)
    for _ in range(3):
        calls = [asyncio.ensure_future(good(pool, number)) for number in range(500)]
        await calls[0]
        os.kill(pool.pids[0], signal.SIGKILL)
        assert [(await call).value for call in calls] == [{"twice": 2 * number} for number in range(500)]
    assert pool.state("good") == ""


async def test_a_function_during_which_the_worker_dies_twice_is_switched_off(pool: FunctionPool) -> None:
    slow = FunctionSettings(wait_max_s=60, time_limit_ms=10_000, hang_limit_ms=60_000)
    patient = FunctionPool(slow)
    call = asyncio.ensure_future(patient.call("loops", LOOPS, {}, on="after_report"))
    for _ in range(2):
        while not any(lane.process and lane.process.running for lane in patient._lanes):  # noqa: ASYNC110 - a page that is written
            await asyncio.sleep(0.005)
        [killed] = patient.pids
        os.kill(killed, signal.SIGKILL)
        while patient.pids == [killed] and not call.done():  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)
    result = await call
    assert (result.reason, patient.state("loops") != "") == ("function_error", True)
    assert (await good(patient, 2)).value == {"twice": 4}
    await patient.close()


async def test_three_failures_in_a_row_switch_a_function_off_until_it_changes(pool: FunctionPool) -> None:
    told: list[tuple[str, str]] = []
    pool.on_off = lambda key, reason: told.append((key, reason))
    for expected in ("function_error", "function_error", "function_error", "function_off"):
        assert (await pool.call("f", FAILS, {}, on="event")).reason == expected
    assert told == [("f", pool.state("f"))]
    assert "Error: no" in pool.state("f")
    assert (await pool.call("f", GOOD, {"n": 1}, on="event")).value == {"twice": 2}
    assert pool.state("f") == ""


async def test_five_failures_among_successes_switch_a_function_off_and_reset_switches_it_on(pool: FunctionPool) -> None:
    source = "module.exports = function (a) { if (a.bad) throw new Error('bad'); return a }"
    for _ in range(5):
        await pool.call("f", source, {"n": 1}, on="event")
        await pool.call("f", source, {"bad": 1}, on="event")
    assert (await pool.call("f", source, {"n": 1}, on="event")).reason == "function_off"
    assert pool.off == 1
    pool.reset("f")
    assert (await pool.call("f", source, {"n": 1}, on="event")).value == {"n": 1}


async def test_a_test_run_is_not_counted(pool: FunctionPool) -> None:
    for _ in range(4):
        assert (await pool.call("", FAILS, {}, on="event")).reason == "function_error"
    assert pool.off == 0


async def test_who_cannot_wait_gets_the_deadline_while_another_function_runs(pool: FunctionPool) -> None:
    await good(pool, 0)
    hangs = asyncio.ensure_future(pool.call("hangs", HANGS, {}, on="event", timeout_ms=20))
    await asyncio.sleep(0)  # it is in the queue
    late = await pool.call("late", GOOD, {"n": 1}, on="event", timeout_ms=20)
    assert late.reason == "deadline"
    assert pool.state("late") == ""
    assert (await hangs).reason in {"function_time", "deadline"}


async def test_one_project_has_half_of_the_queue_and_the_others_get_the_rest() -> None:
    pool = FunctionPool(FunctionSettings(queue_max_calls=100, wait_max_s=60))
    greedy = [asyncio.ensure_future(good(pool, n, "greedy")) for n in range(200)]
    modest = [asyncio.ensure_future(good(pool, n, "modest")) for n in range(10)]
    assert {(await call).reason for call in modest} == {""}
    reasons = [(await call).reason for call in greedy]
    assert reasons.count("") == 50
    assert reasons.count("deadline") == 150
    await pool.close()


async def test_bytes_that_wait_are_bounded() -> None:
    pool = FunctionPool(FunctionSettings(queue_max_bytes=1 << 20, wait_max_s=60))
    text = "x" * 200_000
    calls = [pool.call("f", GOOD, {"n": 1, "text": text}, on="event", project=str(n)) for n in range(10)]
    reasons = [result.reason for result in await asyncio.gather(*calls)]
    assert reasons.count("") == 5
    assert reasons.count("deadline") == 5
    await pool.close()


async def test_a_project_with_slow_functions_does_not_hold_up_another(pool: FunctionPool) -> None:
    slow = "module.exports = function () { var t = 0; for (var i = 0; i < 3e5; i++) t += i; return {t: t} }"
    await pool.call("slow", slow, {}, on="event", project="slow", timeout_ms=None)
    ended: list[str] = []

    async def noted(name: str, source: str) -> None:
        await pool.call(name, source, {"n": 1}, on="event", project=name)
        ended.append(name)

    await asyncio.gather(*(noted("slow", slow) for _ in range(30)), *(noted("quick", GOOD) for _ in range(30)))
    assert ended[-1] == "slow"
    assert ended.index("quick") < 15


async def test_two_workers_share_the_calls() -> None:
    pool = FunctionPool(FunctionSettings(workers=2, wait_max_s=60))
    results = await asyncio.gather(*(good(pool, number) for number in range(2_000)))
    assert [result.value["twice"] for result in results] == [2 * number for number in range(2_000)]
    await pool.close()


async def test_a_cancelled_call_is_not_made(pool: FunctionPool) -> None:
    call = asyncio.ensure_future(good(pool, 1))
    await asyncio.sleep(0)
    call.cancel()
    assert (await good(pool, 2)).value == {"twice": 4}


async def test_a_context_is_renewed_after_ten_thousand_calls(pool: FunctionPool) -> None:
    source = "var calls = 0; module.exports = function () { calls++; return {calls: calls} }"
    values: list[int] = []
    for _ in range(21):
        results = await asyncio.gather(*(pool.call("f", source, {}, on="event") for _ in range(500)))
        values += [result.value["calls"] for result in results]
    assert max(values) == 10_000
    assert values[-1] == 500


async def test_more_functions_than_contexts_all_run(pool: FunctionPool) -> None:
    sources = [f"module.exports = function () {{ return {{n: {number}}} }}" for number in range(300)]
    for _ in range(2):
        calls = (pool.call(f"f:{number}", source, {}, on="event") for number, source in enumerate(sources))
        assert [result.value["n"] for result in await asyncio.gather(*calls)] == list(range(300))


@pytest.mark.parametrize(
    ("zone", "hour"),
    [("+08:00", 8), ("-03:30", 20), ("+00:00", 0), ("Asia/Shanghai", 8), ("America/New_York", 19), ("Asia/Kolkata", 5)],
)
async def test_dates_are_in_the_time_zone_of_the_project(run: Run, zone: str, hour: int) -> None:
    result = await run("return {h: new Date(0).getHours()}", zone=zone)
    assert result.value == {"h": hour}


async def test_zones_take_turns_in_one_worker(pool: FunctionPool) -> None:
    source = "module.exports = function () { return {h: new Date(Date.UTC(2026, 6, 1)).getHours()} }"
    zones = {"Asia/Tokyo": 9, "Europe/Berlin": 2, "+05:00": 5}
    calls = [(zone, pool.call("f", source, {}, on="event", zone=zone)) for zone in [*zones] * 20]
    for (zone, _), result in zip(calls, await asyncio.gather(*(call for _, call in calls)), strict=True):
        assert result.value == {"h": zones[zone]}


async def test_without_the_engine_a_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        assert name == "quickjs"

    monkeypatch.setattr("importlib.util.find_spec", none)
    pool = FunctionPool(PATIENT)
    assert not pool.available
    result = await good(pool, 1)
    assert (result.reason, result.detail) == ("function_error", pool_module.NOT_INSTALLED)


async def test_zero_workers_switch_functions_off() -> None:
    result = await good(FunctionPool(FunctionSettings(workers=0)), 1)
    assert (result.reason, result.detail) == ("function_error", pool_module.SWITCHED_OFF)


async def test_calls_are_counted_by_how_they_ended(pool: FunctionPool) -> None:
    await good(pool, 1)
    await pool.call("", FAILS, {}, on="event")
    await pool.call("", "module.exports = function () {}", {}, on="event")
    assert pool.outcomes == {"ok": 1, "function_error": 1, "empty": 1}
    assert sum(pool.durations.counts) == 3


async def test_a_text_that_is_too_long_is_refused(pool: FunctionPool) -> None:
    result: Any = await pool.check(GOOD + " " * 65_536)
    assert (result.reason, result.detail) == ("function_error", "the function is longer than 65536 characters")


@pytest.mark.parametrize("length", [8_000, 9_000, 60_000])
async def test_a_long_result_arrives_whole(run: Run, pool: FunctionPool, length: int) -> None:
    result = await run(f"return {{text: 'x'.repeat({length})}}")
    assert (result.reason, result.value) == ("", {"text": "x" * length})
    assert pool.starts == 1


async def test_a_long_error_while_loading_arrives_whole(pool: FunctionPool) -> None:
    result = await pool.check("throw new Error('\\u0001'.repeat(10000))")
    assert result.reason == "function_error"
    assert result.detail.startswith("Error: \x01\x01")
    assert pool.starts == 1
