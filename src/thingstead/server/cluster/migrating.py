"""Moves a stopped server from its data folder into a PostgreSQL database, or back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from psycopg import Connection, connect

from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict
from thingstead.server.cluster.node import elsewhere
from thingstead.server.cluster.opening import database_membership
from thingstead.server.cluster.transfer import (
    STATE,
    Progress,
    Side,
    Table,
    count_rows,
    move,
    tables_in_order,
    unkeepable,
)
from thingstead.server.cluster.transfer_sides import DatabaseSide, FileSide, driver_errors
from thingstead.server.folder import DataFolder
from thingstead.storage.migrate import load_migrations
from thingstead.storage.postgres.nodes.conninfo import database_conninfo
from thingstead.storage.postgres.schema import prepare as prepare_database
from thingstead.storage.postgres.schema import version_of
from thingstead.storage.sqlite.engine.database import connect as connect_file
from thingstead.storage.sqlite.engine.schema import prepare as prepare_file
from thingstead.storage.sqlite.engine.schema import require_newest


class StoreMoved(NamedTuple):
    """What was copied, or would be."""

    rows: int
    tables: dict[str, int]  # rows of each


async def migrate_store(
    config: Config, progress: Progress, *, back: bool = False, rehearse: bool = False
) -> StoreMoved:
    """Copies the data folder into the configured database, or ``back``. The source stays as it is. A call that was
    interrupted is resumed by the next one; until it has ended, no server opens the target.

    Args:
        rehearse: only reads: checks both sides and all rows of the source, and changes nothing.

    Raises:
        Conflict: the target holds a store, or one of both is in use; nothing was changed.
        ConfigError: one of both cannot be used, or a row cannot be kept.
        Unavailable: one of both failed; call it again.
    """
    folder = DataFolder(config.data_path)
    if not back and not folder.initialized:
        raise ConfigError(f"{folder.path} is not a data folder of Thingstead: there is nothing to move")
    if back and folder.initialized:
        raise Conflict("not_done", detail=f"{folder.path} is a data folder already; nothing was changed")
    if rehearse:
        return await asyncio.to_thread(_rehearse, config, folder, progress, back=back)
    if back:
        folder.create()
    with folder.lock():
        async with _active(config) as stream:
            return await asyncio.to_thread(_run, config, folder, stream, progress, back=back)


@asynccontextmanager
async def _active(config: Config) -> AsyncIterator[int]:
    """The stream of this process, which no other node's activity is beside of."""
    membership = database_membership(config)
    keeping: asyncio.Task[str] | None = None
    try:
        stream = await membership.try_once()
        if stream is None:
            raise Conflict("not_done", detail=elsewhere(membership.seen))
        keeping = asyncio.create_task(membership.keep())
        yield stream
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])
        await membership.leave()
        await membership.close()


def _run(config: Config, folder: DataFolder, stream: int, progress: Progress, *, back: bool) -> StoreMoved:
    conninfo = database_conninfo(config.database, config.database_password_file)
    if not back:
        _require_newest(folder.database)
        with driver_errors(), connect(conninfo, autocommit=True) as connection:
            prepare_database(connection, filling=True)
    elif not folder.unfinished.exists():
        folder.begin_database()
    if back:
        prepare_file(folder.unfinished)
        _require_newest_database(conninfo)
    path = folder.unfinished if back else folder.database
    with _tables() as tables, driver_errors():
        file = FileSide(path, read_only=not back)
        with closing(file), closing(DatabaseSide(conninfo, f"thingstead/{stream}", stream)) as database:
            sides: tuple[Side, Side] = (database, file) if back else (file, database)
            moved = move(*sides, tables, progress)
    if back:
        folder.finish_database()
    rows = {name: table.rows for name, table in moved.items()}
    return StoreMoved(sum(rows.values()), rows)


def _rehearse(config: Config, folder: DataFolder, progress: Progress, *, back: bool) -> StoreMoved:
    conninfo = database_conninfo(config.database, config.database_password_file)
    with _tables() as tables, driver_errors():
        if back:
            _require_newest_database(conninfo)
            with closing(DatabaseSide(conninfo, "thingstead/rehearsal", None)) as source:
                return _counted(source, tables, progress)
        _require_newest(folder.database)
        with connect(conninfo, autocommit=True) as connection:
            _require_empty(connection)
        with closing(FileSide(folder.database, read_only=True)) as file:
            found = unkeepable(file, tables)
            if found:
                raise ConfigError(f"PostgreSQL keeps no text with the character NUL: {'; '.join(found)}")
            return _counted(file, tables, progress)


def _counted(side: Side, tables: list[Table], progress: Progress) -> StoreMoved:
    rows = count_rows(side, tables)
    progress(1, 1)
    return StoreMoved(sum(rows.values()), rows)


@contextmanager
def _tables() -> Iterator[list[Table]]:
    with TemporaryDirectory() as folder:
        yield tables_in_order(Path(folder))


def _require_newest(path: Path) -> None:
    with closing(connect_file(path, read_only=True)) as connection:
        require_newest(connection, path)


def _require_newest_database(conninfo: str) -> None:
    newest = load_migrations("thingstead.storage.postgres")[-1].version
    with driver_errors(), connect(conninfo, autocommit=True) as connection:
        found = version_of(connection)
    if found is None:
        raise ConfigError("the database is empty: there is nothing to move")
    if found[0] != newest:
        raise ConfigError(
            f"the schema of the database has version {found[0]}, this release has {newest}: start the server of this "
            "release once, or use the release that wrote it"
        )


def _require_empty(connection: Connection) -> None:
    if version_of(connection) is None:
        return
    (unfinished,) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (STATE,)).fetchone() or (False,)
    if not unfinished and connection.execute("SELECT 1 FROM projects LIMIT 1").fetchone() is not None:
        raise Conflict("not_done", detail="the database holds a project already; nothing was changed")
