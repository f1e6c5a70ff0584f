"""Rollouts of firmware, the upgrades of devices, and the links by which devices download."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.errors import Conflict, NotFound
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.model.ota.rollout import (
    ListedUpgrade,
    OtaRollout,
    OtaRolloutFilter,
    OtaUpgrade,
    Served,
    UpgradeState,
    WaveCounts,
)
from thingstead.storage.base_ota import OtaToken
from thingstead.storage.commit import Commit
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

ROLLOUTS = Layout(
    "ota_rollouts",
    OtaRollout,
    json=("selection", "waves"),
    fixed=("id", "project_id", "version_id", "create_time"),
    kind="ota_rollout",
)
UPGRADES = Layout("ota_upgrades", OtaUpgrade)
MISSING = "no_such_ota_rollout"
OF_DEVICE_COUNT = 100
UPGRADE_BYTES = 300  # that a row adds to a commit, about
_OPEN = "state IN ('sent', 'downloading', 'finished')"
_KEY = "device_id = ? AND version_id = ? AND rollout_id = ?"
_LISTED = (
    f"SELECT {UPGRADES.columns('u')}, d.name, v.version_name, v.module, coalesce(f.size_bytes, 0)"  # noqa: S608
    " FROM ota_upgrades u JOIN devices d ON d.id = u.device_id JOIN ota_versions v ON v.id = u.version_id"
    " LEFT JOIN ota_files f ON f.version_id = v.id AND f.complete = 1"
)
_THERE = "EXISTS (SELECT 1 FROM devices WHERE id = ?) AND EXISTS (SELECT 1 FROM ota_versions WHERE id = ?)"
_WIDTH = UPGRADES.width
_ADD = UPGRADES.insert.replace("VALUES", "SELECT").replace("SELECT (", "SELECT ").removesuffix(")")
_REPLACED = ", ".join(
    f"{name} = excluded.{name}"
    for name in ("wave", "state", "code", "detail", "from_version", "bytes_served", "downloads", "sent_time",
                 "due_time", "blocked_until", "cause", "update_time")
)  # fmt: skip
_SERVED = (
    "UPDATE ota_upgrades SET bytes_served = bytes_served + ?, downloads = downloads + ?, update_time = ?,"
    " state = CASE state WHEN 'sent' THEN 'downloading' ELSE state END"
    " WHERE device_id = ? AND version_id = ? AND state IN ('sent', 'downloading', 'finished')"
)
_COUNTS = """
SELECT rollout_id, wave, state, count(*) FROM ota_upgrades
WHERE rollout_id IN (SELECT value FROM json_each(?)) GROUP BY rollout_id, wave, state ORDER BY rollout_id, wave
"""
_OLD = """
SELECT id FROM ota_rollouts WHERE project_id = ?1 AND end_time > 0 ORDER BY create_time, id
LIMIT max(0, (SELECT count(*) FROM ota_rollouts WHERE project_id = ?1) - ?2)
"""
_DROP_TOKENS = """
DELETE FROM ota_tokens WHERE device_id = ?1 AND hash NOT IN
    (SELECT hash FROM ota_tokens WHERE device_id = ?1 ORDER BY create_time DESC, hash LIMIT ?2)
"""


class SqlOtaUpgrades:
    """See :class:`~thingstead.storage.base_ota.OtaUpgradeStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def create_rollout(self, rollout: OtaRollout, open_most: int, most: int) -> None:
        def run(connection: Connection) -> None:
            sql = "SELECT count(*) FROM ota_rollouts WHERE project_id = ? AND end_time = 0"
            if connection.execute(sql, (rollout.project_id,)).fetchone()[0] >= open_most:
                raise Conflict("too_many_ota_rollouts", maximum=open_most)
            sql = "SELECT 1 FROM ota_versions WHERE id = ? AND project_id = ?"
            if connection.execute(sql, (rollout.version_id, rollout.project_id)).fetchone() is None:
                raise NotFound("no_such_ota_version")
            for (old,) in connection.execute(_OLD, (rollout.project_id, most - 1)).fetchall():
                _delete(connection, rollout.project_id, old)
            ROLLOUTS.add(connection, rollout)

        await self._access.write(run)

    async def get_rollout(self, project_id: str, rollout_id: str) -> OtaRollout:
        require_id(rollout_id, MISSING)
        row = await self._access.one(ROLLOUTS.select_one, (rollout_id, project_id))
        if row is None:
            raise NotFound(MISSING)
        return ROLLOUTS.load(row)

    async def list_rollouts(
        self, project_id: str, rollout_filter: OtaRolloutFilter, page: Page
    ) -> tuple[list[OtaRollout], int]:
        where, parameters = "project_id = ?", [project_id]
        for name in ("version_id", "state"):
            wanted = getattr(rollout_filter, name)
            if wanted is not None:
                where, parameters = f"{where} AND {name} = ?", [*parameters, wanted]

        def run(connection: Connection) -> tuple[list[OtaRollout], int]:
            order = Order(("create_time", "id"), descending=True)
            rows, total = read_page(connection, ROLLOUTS.select, "ota_rollouts", where, parameters, order, page)
            return [ROLLOUTS.load(row) for row in rows], total

        return await self._access.read(run)

    async def list_working(self) -> list[OtaRollout]:
        sql = f"{ROLLOUTS.select} WHERE state IN ('preparing', 'running') AND end_time = 0 ORDER BY create_time, id"
        rows = await self._access.read(lambda connection: connection.execute(sql).fetchall())
        return [ROLLOUTS.load(row) for row in rows]

    async def change_rollout(
        self, project_id: str, rollout_id: str, changes: Mapping[str, Any], states: Sequence[str]
    ) -> bool:
        require_id(rollout_id, MISSING)

        def run(connection: Connection) -> bool:
            row = connection.execute(ROLLOUTS.select_one, (rollout_id, project_id)).fetchone()
            if row is None:
                raise NotFound(MISSING)
            if ROLLOUTS.load(row).state not in states:
                return False
            ROLLOUTS.update(connection, project_id, rollout_id, changes, MISSING)
            if changes.get("end_time"):
                sql = (
                    "UPDATE ota_upgrades SET state = 'cancelled', update_time = ?"
                    " WHERE rollout_id = ? AND state = 'waiting'"
                )
                connection.execute(sql, (changes["end_time"], rollout_id))
            return True

        return await self._access.write(run)

    async def delete_rollout(self, project_id: str, rollout_id: str) -> None:
        require_id(rollout_id, MISSING)

        def run(connection: Connection) -> None:
            sql = "SELECT end_time FROM ota_rollouts WHERE id = ? AND project_id = ?"
            row = connection.execute(sql, (rollout_id, project_id)).fetchone()
            if row is None:
                raise NotFound(MISSING)
            if not row[0]:
                raise Conflict("ota_rollout_open")
            _delete(connection, project_id, rollout_id)

        await self._access.write(run)

    # Upgrades

    async def add_devices(self, upgrades: Sequence[OtaUpgrade]) -> None:
        def run(connection: Connection) -> None:
            for upgrade in upgrades:
                _put(connection, upgrade, "NOTHING")

        await self._access.write(run)

    async def waiting(self, rollout_id: str, wave: int, limit: int) -> list[str]:
        sql = (
            "SELECT device_id FROM ota_upgrades WHERE rollout_id = ? AND wave <= ? AND state = 'waiting'"
            " ORDER BY wave, device_id LIMIT ?"
        )
        return [row[0] for row in await self._access.all(sql, (rollout_id, wave, limit))]

    async def counts(self, rollout_ids: Sequence[str]) -> dict[str, list[WaveCounts]]:
        rows = await self._access.read(
            lambda connection: connection.execute(_COUNTS, (to_json(list(rollout_ids)),)).fetchall()
        )
        found: dict[str, list[WaveCounts]] = {rollout_id: [] for rollout_id in rollout_ids}
        for rollout_id, wave, state, count in rows:
            waves = found[rollout_id]
            if not waves or waves[-1].wave != wave:
                waves.append(WaveCounts(wave, {}))
            waves[-1].counts[state] = count
        return found

    async def list_upgrades(
        self, project_id: str, page: Page, *, rollout_id: str | None = None, device_id: str | None = None,
        state: UpgradeState | None = None,
    ) -> tuple[list[ListedUpgrade], int]:  # fmt: skip
        where, parameters = "u.project_id = ?", [project_id]
        for name, wanted in (("rollout_id", rollout_id), ("device_id", device_id), ("state", state)):
            if wanted is not None:
                where, parameters = f"{where} AND u.{name} = ?", [*parameters, wanted]
        order = Order(("u.wave", "u.device_id"))
        if device_id is not None:
            order = Order(("u.update_time", "u.version_id", "u.rollout_id"), descending=True)

        def run(connection: Connection) -> tuple[list[ListedUpgrade], int]:
            rows, total = read_page(connection, _LISTED, "ota_upgrades u", where, parameters, order, page)
            return [ListedUpgrade(UPGRADES.load(row[:_WIDTH]), *row[_WIDTH:]) for row in rows], total

        return await self._access.read(run)

    async def list_open(self, after: tuple[str, str, str], limit: int) -> list[OtaUpgrade]:
        sql = (
            f"{UPGRADES.select} WHERE {_OPEN} AND (device_id, version_id, rollout_id) > (?, ?, ?)"
            " ORDER BY device_id, version_id, rollout_id LIMIT ?"
        )
        rows = await self._access.read(lambda connection: connection.execute(sql, (*after, limit)).fetchall())
        return [UPGRADES.load(row) for row in rows]

    async def list_of_device(self, device_id: str) -> list[OtaUpgrade]:
        sql = f"{UPGRADES.select} WHERE device_id = ? ORDER BY update_time DESC LIMIT ?"
        return [UPGRADES.load(row) for row in await self._access.all(sql, (device_id, OF_DEVICE_COUNT))]

    def put_upgrade(self, upgrade: OtaUpgrade) -> Commit:
        change = f"UPDATE SET {_REPLACED}"
        return self._history.add_write(lambda connection: _put(connection, upgrade, change), UPGRADE_BYTES)

    def move(
        self, upgrade: OtaUpgrade, states: Sequence[UpgradeState], state: UpgradeState, at: int, *, code: str = "",
        detail: str = "", blocked_until: int = 0,
    ) -> Commit:  # fmt: skip
        sql = (
            f"UPDATE ota_upgrades SET state = ?, code = ?, detail = ?, blocked_until = ?, update_time = ? WHERE {_KEY}"  # noqa: S608
            " AND state IN (SELECT value FROM json_each(?))"
        )
        key = (upgrade.device_id, upgrade.version_id, upgrade.rollout_id)
        values = (state, code, detail, blocked_until, at, *key, to_json(list(states)))

        def run(connection: Connection) -> None:
            connection.execute(sql, values)

        return self._history.add_write(run, UPGRADE_BYTES)

    def note_served(self, served: Sequence[Served], at: int) -> Commit:
        def run(connection: Connection) -> None:
            for each in served:
                key = (each.device_id, each.version_id)
                connection.execute(_SERVED, (each.size_bytes, each.downloads, at, *key))

        return self._history.add_write(run, UPGRADE_BYTES * len(served))

    async def expire(self, now: int, limit: int) -> list[OtaUpgrade]:
        due = f"{UPGRADES.select} WHERE {_OPEN} AND due_time <= ? ORDER BY due_time LIMIT ?"
        if not await self._access.all(due, (now, 1)):
            return []

        def run(connection: Connection) -> list[OtaUpgrade]:
            found = [UPGRADES.load(row) for row in connection.execute(due, (now, limit)).fetchall()]
            sql = f"UPDATE ota_upgrades SET state = 'timed_out', code = 'timed_out', update_time = ? WHERE {_KEY}"  # noqa: S608
            for each in found:
                connection.execute(sql, (now, each.device_id, each.version_id, each.rollout_id))
            return found

        return await self._access.write(run)

    # Links

    def put_token(self, token_hash: str, token: OtaToken, now: int, expire_time: int, keep: int) -> Commit:
        sql = (
            "INSERT INTO ota_tokens (hash, device_id, version_id, create_time, expire_time)"
            f" SELECT ?, ?, ?, ?, ? WHERE {_THERE} ON CONFLICT DO NOTHING"
        )
        of_whom = (token.device_id, token.version_id)

        def run(connection: Connection) -> None:
            connection.execute(sql, (token_hash, *of_whom, now, expire_time, *of_whom))
            connection.execute(_DROP_TOKENS, (token.device_id, keep))

        return self._history.add_write(run, UPGRADE_BYTES)

    async def find_token(self, token_hash: str, now: int) -> OtaToken | None:
        sql = (
            "SELECT v.project_id, t.device_id, t.version_id FROM ota_tokens t"
            " JOIN ota_versions v ON v.id = t.version_id WHERE t.hash = ? AND t.expire_time > ?"
        )
        row = await self._access.one(sql, (token_hash, now))
        return None if row is None else OtaToken(*row)

    async def prune(self, now: int, before: int, limit: int) -> int:
        tokens = "SELECT hash FROM ota_tokens WHERE expire_time <= ? LIMIT ?"
        ended = (
            f"SELECT device_id, version_id FROM ota_upgrades WHERE rollout_id = '' AND NOT ({_OPEN})"  # noqa: S608
            " AND update_time < ? LIMIT ?"
        )

        def run(connection: Connection) -> int:
            hashes = connection.execute(tokens, (now, limit)).fetchall()
            for row in hashes:
                connection.execute("DELETE FROM ota_tokens WHERE hash = ?", row)
            keys = connection.execute(ended, (before, limit)).fetchall()
            for key in keys:
                connection.execute(f"DELETE FROM ota_upgrades WHERE {_KEY}", (*key, ""))  # noqa: S608
            return len(hashes) + len(keys)

        return await self._access.write(run)


def _put(connection: Connection, upgrade: OtaUpgrade, otherwise: str) -> None:
    sql = f"{_ADD} WHERE {_THERE} ON CONFLICT (device_id, version_id, rollout_id) DO {otherwise}"
    connection.execute(sql, (*UPGRADES.row(upgrade), upgrade.device_id, upgrade.version_id))


def _delete(connection: Connection, project_id: str, rollout_id: str) -> None:
    connection.execute("DELETE FROM ota_upgrades WHERE rollout_id = ?", (rollout_id,))
    ROLLOUTS.delete(connection, project_id, rollout_id, MISSING)
