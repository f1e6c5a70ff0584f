"""A pool of functions, with a real worker process that the tests of a module share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from thingstead.config.settings import FunctionSettings
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.functions.results import FunctionResult

GOOD = "module.exports = function (a) { return {twice: a.n * 2} }"
PATIENT = FunctionSettings(wait_max_s=60)

Run = Callable[..., Awaitable[FunctionResult]]


@pytest.fixture
async def pool() -> AsyncIterator[FunctionPool]:
    functions = FunctionPool(PATIENT)
    async with asyncio.timeout(100):
        yield functions
        await functions.close()


@pytest.fixture
def run(pool: FunctionPool) -> Run:
    """Calls a function body once: ``run("return 1", argument)``."""

    async def call(body: str, argument: Any = None, *, on: str = "after_report", **options: Any) -> FunctionResult:
        names = {"data": "identifier, data", "task": "", "event": "event"}.get(on, "report_attributes")
        source = f"module.exports = function ({names}) {{ {body} }}"
        return await pool.call("", source, {} if argument is None else argument, on=on, **options)

    return call
