"""Every test of this folder runs over the history of every engine."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.storage.history_bench import Base, Bench, NewBase, new_postgres, new_sqlite


@pytest.fixture(params=["sqlite", "postgres"])
def new_base(request: pytest.FixtureRequest) -> NewBase:
    """Makes databases with the two devices."""
    return new_sqlite if request.param == "sqlite" else new_postgres(request.getfixturevalue("postgres_server"))


@pytest.fixture
def base(new_base: NewBase) -> Iterator[Base]:
    """A database of its own with two devices."""
    with new_base() as base:
        yield base


@pytest.fixture
async def bench(base: Base) -> AsyncIterator[Bench]:
    """A history of two devices, in a database of its own."""
    bench = await Bench(base).open()
    yield bench
    await bench.close()
