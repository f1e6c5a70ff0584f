"""Versions of firmware, and the pieces of their files."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.errors import Conflict, NotFound
from thingstead.model.audit.log import Edit
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.model.ota.version import PIECE_BYTES, OtaFile, OtaVersion, OtaVersionFilter
from thingstead.model.versions import of_version
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.tables.paging import Order, read_page

OTA_VERSIONS = Layout(
    "ota_versions",
    OtaVersion,
    json=("types", "devices", "from_versions"),
    fixed=("id", "project_id", "create_time", "version_name", "module"),
    absent=("file",),
    kind="ota_version",
)
MISSING = "no_such_ota_version"
_FILE = "id, version_id, name, size_bytes, sha256, md5, upload_time"
_WIDTH = OTA_VERSIONS.width
_COLUMNS = f"{OTA_VERSIONS.columns('v')}, {', '.join(f'f.{name}' for name in _FILE.split(', '))}"
_FROM = "ota_versions v LEFT JOIN ota_files f ON f.version_id = v.id AND f.complete = 1"
_SELECT = f"SELECT {_COLUMNS} FROM {_FROM}"  # noqa: S608 - words of this module
_OFFERED = f"{_SELECT} WHERE v.project_id = ? AND v.enabled = 1 AND f.id IS NOT NULL ORDER BY v.create_time, v.id"
_OPEN = "SELECT count(*) FROM ota_rollouts WHERE version_id = ? AND end_time = 0"
_STORED = "SELECT coalesce(sum(size_bytes), 0) FROM ota_files WHERE project_id = ?"
_IS_LEFT_OVER = "(version_id IS NULL OR complete = 0) AND id NOT IN (SELECT value FROM json_each(?))"
_LEFT_OVER = f"SELECT id FROM ota_files WHERE {_IS_LEFT_OVER} ORDER BY id LIMIT 1"  # noqa: S608 - words of this module
_DROP_EMPTY = (
    f"DELETE FROM ota_files WHERE {_IS_LEFT_OVER}"  # noqa: S608 - words of this module
    " AND NOT EXISTS (SELECT 1 FROM ota_pieces WHERE file_id = ota_files.id)"
)
_BEGIN = "INSERT INTO ota_files (id, project_id, version_id, name, size_bytes, sha256, md5, complete, upload_time)"
_DROP = """
DELETE FROM ota_pieces WHERE file_id = ?1 AND position IN
    (SELECT position FROM ota_pieces WHERE file_id = ?1 ORDER BY position LIMIT ?2)
"""


class SqlOtaVersions:
    """See :class:`~thingstead.storage.base_ota.OtaVersionStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create(self, version: OtaVersion, most: int) -> None:
        def run(connection: Connection) -> None:
            sql = "SELECT count(*) FROM ota_versions WHERE project_id = ?"
            if connection.execute(sql, (version.project_id,)).fetchone()[0] >= most:
                raise Conflict("too_many_ota_versions", maximum=most)
            OTA_VERSIONS.add(connection, version)

        await self._access.write(run)

    async def get(self, project_id: str, version_id: str) -> OtaVersion:
        require_id(version_id, MISSING)
        row = await self._access.one(f"{_SELECT} WHERE v.id = ? AND v.project_id = ?", (version_id, project_id))
        if row is None:
            raise NotFound(MISSING)
        return _version(row)

    async def list_page(
        self, project_id: str, version_filter: OtaVersionFilter, page: Page
    ) -> tuple[list[OtaVersion], int]:
        where, parameters = _where(project_id, version_filter)

        def run(connection: Connection) -> tuple[list[OtaVersion], int]:
            rows, total = read_page(
                connection, _SELECT, "ota_versions v", where, parameters, Order(("v.create_time", "v.id")), page
            )
            return [_version(row) for row in rows], total

        return await self._access.read(run)

    async def list_offered(self, project_id: str) -> list[OtaVersion]:
        rows = await self._access.read(lambda connection: connection.execute(_OFFERED, (project_id,)).fetchall())
        return [_version(row) for row in rows]

    async def update(
        self, project_id: str, version_id: str, changes: Mapping[str, Any], version: int | None = None
    ) -> None:
        require_id(version_id, MISSING)
        await self._access.write(
            lambda connection: OTA_VERSIONS.update(
                connection, project_id, version_id, of_version(changes, version), MISSING
            )
        )

    async def delete(self, project_id: str, version_id: str) -> None:
        require_id(version_id, MISSING)

        def run(connection: Connection) -> None:
            if not OTA_VERSIONS.exists(connection, project_id, version_id):
                raise NotFound(MISSING)
            if connection.execute(_OPEN, (version_id,)).fetchone()[0]:
                raise Conflict("ota_rollout_open")
            OTA_VERSIONS.delete(connection, project_id, version_id, MISSING)

        await self._access.write(run)

    # Files

    async def begin_file(self, project_id: str, version_id: str, file: OtaFile, most_bytes: int) -> None:
        def run(connection: Connection) -> None:
            _require_room(connection, project_id, version_id)
            if connection.execute(_STORED, (project_id,)).fetchone()[0] >= most_bytes:
                raise Conflict("ota_files_full", maximum=most_bytes)
            row = (file.id, project_id, version_id, file.name, 0, "", "", 0, file.upload_time)
            connection.execute(f"{_BEGIN} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

        await self._access.write(run)

    async def add_pieces(self, file_id: str, position: int, pieces: Sequence[bytes], most_bytes: int) -> None:
        added = sum(map(len, pieces))

        def run(connection: Connection) -> None:
            sql = "SELECT project_id FROM ota_files WHERE id = ? AND complete = 0 AND version_id IS NOT NULL"
            row = connection.execute(sql, (file_id,)).fetchone()
            if row is None:
                raise NotFound(MISSING)
            if connection.execute(_STORED, row).fetchone()[0] + added > most_bytes:
                raise Conflict("ota_files_full", maximum=most_bytes)
            connection.execute("UPDATE ota_files SET size_bytes = size_bytes + ? WHERE id = ?", (added, file_id))
            for count, piece in enumerate(pieces):
                sql = "INSERT INTO ota_pieces (file_id, position, data) VALUES (?, ?, ?)"
                connection.execute(sql, (file_id, position + count, piece))

        await self._access.write(run)

    async def finish_file(self, file: OtaFile) -> None:
        def run(connection: Connection) -> None:
            row = connection.execute(
                "SELECT v.project_id, v.name, v.version FROM ota_files f JOIN ota_versions v ON v.id = f.version_id"
                " WHERE f.id = ? AND f.complete = 0",
                (file.id,),
            ).fetchone()
            if row is None:
                raise NotFound(MISSING)
            _require_room(connection, row[0], file.version_id)
            connection.execute(
                "UPDATE ota_files SET name = ?, size_bytes = ?, sha256 = ?, md5 = ?, upload_time = ?, complete = 1"
                " WHERE id = ?",
                (file.name, file.size_bytes, file.sha256, file.md5, file.upload_time, file.id),
            )
            note(Edit(row[0], OTA_VERSIONS.kind, file.version_id, row[1], "upload", (), row[2]))

        await self._access.write(run)

    async def read_pieces(self, file_id: str, position: int, count: int) -> list[bytes]:
        sql = "SELECT data FROM ota_pieces WHERE file_id = ? AND position >= ? ORDER BY position LIMIT ?"
        rows = await self._access.read(
            lambda connection: connection.execute(sql, (file_id, position, count)).fetchall()
        )
        return [bytes(row[0]) for row in rows]

    async def stored_bytes(self, project_id: str) -> int:
        row = await self._access.one(_STORED, (project_id,))
        return int(row[0]) if row else 0

    async def list_files(self) -> list[OtaFile]:
        sql = f"SELECT {_FILE} FROM ota_files WHERE complete = 1 AND version_id IS NOT NULL ORDER BY id"  # noqa: S608
        rows = await self._access.read(lambda connection: connection.execute(sql).fetchall())
        return [_file(row) for row in rows]

    async def remove_pieces(self, uploading: Sequence[str], most: int) -> bool:
        kept = to_json(list(uploading))
        if await self._access.one(_LEFT_OVER, (kept,)) is None:
            return False

        def run(connection: Connection) -> bool:
            connection.execute(_DROP_EMPTY, (kept,))
            row = connection.execute(_LEFT_OVER, (kept,)).fetchone()
            if row is None:
                return False
            removed = connection.execute(_DROP, (row[0], most)).rowcount
            if removed < most:
                connection.execute("DELETE FROM ota_files WHERE id = ?", row)
            else:
                sql = "UPDATE ota_files SET size_bytes = max(0, size_bytes - ?) WHERE id = ?"
                connection.execute(sql, (removed * PIECE_BYTES, row[0]))
            return True

        return await self._access.write(run)


def _require_room(connection: Connection, project_id: str, version_id: str) -> None:
    if not OTA_VERSIONS.exists(connection, project_id, version_id):
        raise NotFound(MISSING)
    sql = "SELECT 1 FROM ota_files WHERE version_id = ? AND complete = 1"
    if connection.execute(sql, (version_id,)).fetchone() is not None:
        raise Conflict("ota_file_present")


def _version(row: Row) -> OtaVersion:
    return OTA_VERSIONS.load(row[:_WIDTH], file=None if row[_WIDTH] is None else _file(row[_WIDTH:]))


def _file(row: Row) -> OtaFile:
    names = ("id", "version_id", "name", "size_bytes", "sha256", "md5", "upload_time")
    return OtaFile(**dict(zip(names, row, strict=True)))


def _where(project_id: str, wanted: OtaVersionFilter) -> tuple[str, list[Any]]:
    where, parameters = "v.project_id = ?", list[Any]([project_id])
    if wanted.type_id is not None:
        where += " AND (v.types = '[]' OR EXISTS (SELECT 1 FROM json_each(v.types) WHERE value = ?))"
        parameters.append(wanted.type_id)
    if wanted.module is not None:
        where, parameters = f"{where} AND v.module = ?", [*parameters, wanted.module]
    if wanted.enabled is not None:
        where += " AND v.enabled = 1" if wanted.enabled else " AND v.enabled = 0"
    if wanted.keyword is not None:
        # Databases lower ASCII alone: other letters are found as they are written.
        where += " AND (instr(lower(v.name), ?) > 0 OR instr(v.name, ?) > 0 OR instr(lower(v.version_name), ?) > 0)"
        parameters += [wanted.keyword.lower(), wanted.keyword, wanted.keyword.lower()]
    return where, parameters
