"""A part of retention that fails is logged once, and keeps none of the others from being done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.services.archive import Archive, Opening
from tests.services.test_removal import counts, store_in
from thingstead.bus.local import LocalBus
from thingstead.errors import Unavailable
from thingstead.model.retention import RetentionRule
from thingstead.refusals import Reason
from thingstead.services.history.removal import RemovalService
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history import history as sqlite_history
from thingstead.storage.sql.history.removal import drop_step
from thingstead.storage.sql.store import SqlStore
from thingstead.storage.sql.tables import devices as sqlite_devices


@pytest.fixture
async def store(opening: Opening) -> AsyncIterator[SqlStore]:
    async with store_in(opening) as store:
        yield store


def failing_for(
    method: Callable[..., Awaitable[Any]], argument: Any, error: Exception
) -> Callable[..., Awaitable[Any]]:
    """The method, which fails where it is given that argument."""

    async def called(*arguments: Any) -> Any:
        if argument in arguments:
            raise error
        return await method(*arguments)

    return called


async def test_history_of_the_other_projects_goes_where_one_fails(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for project_id in ("ours", "theirs"):
        await archive.fill(project_id, "x", days=40)
        await archive.put(project_id, RetentionRule(days=10))
    kept, service = archive.store.retention, archive.service
    monkeypatch.setattr(kept, "policy", failing_for(kept.policy, "ours", RuntimeError("a mistake")))
    with capture_logs() as lines:
        await service.run()
        await service.run()
    assert max(await archive.ages("theirs", "x")) < 11
    assert max(await archive.ages("ours", "x")) == 40
    errors = [(line["part"], line["project"]) for line in lines if line["log_level"] == "error"]
    assert errors == [("history", "ours")]
    assert service.extent.points > 0


@pytest.mark.parametrize("broken", ["retention.apply_pending", "retention.compact", "alarms.prune", "notify.prune"])
async def test_history_goes_whatever_else_fails(archive: Archive, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await archive.fill("ours", "x", days=40)
    await archive.put("ours", RetentionRule(days=10))
    noun, method = broken.split(".")

    async def fails(*_: Any) -> Any:
        raise Unavailable(Reason("unknown_refusal", "the database cannot be used"))

    monkeypatch.setattr(getattr(archive.store, noun), method, fails)
    with capture_logs() as lines:
        await archive.service.run()
    assert max(await archive.ages("ours", "x")) < 11
    assert {line["log_level"] for line in lines if "failed" in line["event"]} == {"error"}


async def test_events_past_their_time_go_where_commands_cannot(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = archive.store.log_retention, []

    async def drop_old(kind: str, *_: Any) -> tuple[int, None]:
        asked.append(kind)
        if kind == "event":
            raise RuntimeError("a mistake")
        return 0, None

    monkeypatch.setattr(store, "drop_old", drop_old)
    await archive.service.logs.run()
    assert asked == ["event", "command"]


async def test_a_removed_device_that_cannot_be_dropped_keeps_no_other_from_it(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_devices, "STEPS_AT_ONCE", 0)
    first = (await store.devices.get("ours", "gone")).number
    await store.devices.delete("ours", "gone")
    await store.devices.delete("ours", "stays")

    def step(connection: Connection, number: int | None = None) -> bool:
        if number in (None, first):
            raise RuntimeError("a mistake")
        return drop_step(connection, number)

    monkeypatch.setattr(sqlite_history, "drop_step", step)
    service = RemovalService(store, LocalBus())
    service.start()
    while sum(counts(store, "stays").values()):
        await store.database.write(lambda connection: None)
    await service.close()
    assert sum(counts(store, "gone").values()) > 0
