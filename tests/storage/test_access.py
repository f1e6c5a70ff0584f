"""How the nouns of the store reach the database: one moment per read, and errors of ours only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.storage.conftest import put
from thingstead.errors import Conflict, InvalidInput, ThingsteadError, Unavailable
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sqlite.engine.database import SqliteDatabase, connect


@pytest.fixture
async def access(database: SqliteDatabase) -> Queries:
    """Access to a database with one more table, which has every kind of constraint."""
    await database.write(
        lambda connection: connection.execute(
            "CREATE TABLE rows (id TEXT PRIMARY KEY, project_id TEXT, account TEXT NOT NULL, level INTEGER,"
            " parent_id TEXT REFERENCES rows (id), UNIQUE (project_id, account)) STRICT"
        )
    )
    access = Queries(database)
    await access.write(
        lambda connection: connection.execute("INSERT INTO rows VALUES ('1', 'p', 'a', 1, NULL)") and None
    )
    return access


async def test_all_statements_of_a_read_see_the_same_commit(access: Queries, path: Path) -> None:
    def count_twice(connection: Connection) -> tuple[int, int]:
        before = connection.execute("SELECT count(*) FROM t").fetchone()[0]
        other = connect(path)
        put(1)(other)
        other.close()
        return before, connection.execute("SELECT count(*) FROM t").fetchone()[0]

    assert await access.read(count_twice) == (0, 0)
    assert await access.one("SELECT count(*) FROM t") == (1,)


async def test_a_read_that_fails_leaves_its_connection_usable(access: Queries) -> None:
    def fail(connection: Connection) -> None:
        connection.execute("SELECT 1")
        raise ZeroDivisionError

    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await access.read(fail)

    assert await access.read(lambda connection: connection.execute("SELECT 7").fetchone()) == (7,)


@pytest.mark.parametrize(
    ("values", "error", "field"),
    [
        (("1", "q", "b", 1, None), Conflict, "id"),
        (("2", "p", "a", 1, None), Conflict, "account"),
        (("2", "p", None, 1, None), InvalidInput, "account"),
        (("2", "p", "b", "high", None), InvalidInput, "level"),
        (("2", "p", "b", 1, "nowhere"), InvalidInput, None),
        (("2", "p", "b", 2**70, None), InvalidInput, None),
        (("2", "p", "\ud800", 1, None), InvalidInput, None),
    ],
)
async def test_a_refused_value_is_an_error_of_ours_that_names_its_field(
    access: Queries, values: tuple[Any, ...], error: type[Conflict | InvalidInput], field: str | None
) -> None:
    with pytest.raises((Conflict, InvalidInput)) as refusal:
        await access.write(lambda connection: connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", values))

    assert type(refusal.value) is error
    assert [each.field for each in refusal.value.errors] == ([] if field is None else [field])


@pytest.mark.parametrize(
    ("parameter", "error"), [("\ud800", InvalidInput), (2**70, InvalidInput), (object(), Unavailable)]
)
@pytest.mark.parametrize("way", ["one", "all", "read"])
async def test_a_read_raises_errors_of_ours_only(
    access: Queries, parameter: object, error: type[ThingsteadError], way: str
) -> None:
    sql = "SELECT ?"

    def run(connection: Connection) -> object:
        return connection.execute(sql, (parameter,)).fetchone()

    ways: dict[str, Callable[[], Any]] = {
        "one": lambda: access.one(sql, (parameter,)),
        "all": lambda: access.all(sql, (parameter,)),
        "read": lambda: access.read(run),
    }
    with pytest.raises(error):
        await ways[way]()
