"""One unexpected exception ends no thread and no task of the store."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thingstead.clock import SystemClock
from thingstead.errors import Unavailable
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history.appends import Appends
from thingstead.storage.sqlite.engine.database import SqliteDatabase
from thingstead.storage.sqlite.store import SqliteStore


def report(ts: int) -> Report:
    return Report(1, ts, ts, {"t": ts}, "series")


async def test_a_commit_that_cannot_be_applied_is_not_acknowledged_and_the_next_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(tmp_path / "thingstead.db", SystemClock())

    def fail(*_: object) -> None:
        raise RuntimeError("as a mistake of ours would have it")

    with monkeypatch.context() as patch:
        patch.setattr(Appends, "_apply", fail)
        with pytest.raises(Unavailable):
            await settled(store.history.append(report(1)))
    await settled(store.history.append(report(2)))
    assert (await store.history.current(1))["t"].ts == 2
    await store.close()


async def test_the_writer_outlives_whatever_a_commit_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await SqliteStore.open(tmp_path / "thingstead.db", SystemClock())

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("as a mistake of ours would have it")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "_run_job", fail)
        with pytest.raises(Unavailable):
            await settled(store.history.append(report(1)))
    await settled(store.history.append(report(2)))
    with closing(sqlite3.connect(tmp_path / "thingstead.db")) as connection:
        assert connection.execute("SELECT count(*) FROM report_log").fetchone() == (1,)
    await store.close()
