"""Looks whether PostgreSQL can clean up after the store, and whether it is one that data can be trusted to.

What keeps it from cleaning up makes every table grow and slow. Its settings can be changed while it runs.
"""

from typing import NamedTuple

from thingstead.model.health import HealthWarning, health_warning
from thingstead.storage.sql.access.connection import Connection

HELD_S = 900  # age of a snapshot that is warned of
DEAD_ROWS = 1_000_000  # rows of a table that wait for vacuum, at least and beyond its live ones
NEWEST_SERVER = 18  # major version that this release was tested with

# Ages in seconds of what holds dead rows: transactions of others, prepared ones; and slots of standbys that are away.
_HELD = """
SELECT coalesce(max(age), 0) FROM (
    SELECT extract(epoch FROM clock_timestamp() - xact_start) AS age FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
    UNION ALL
    SELECT extract(epoch FROM clock_timestamp() - prepared) FROM pg_prepared_xacts WHERE database = current_database()
) held
"""
_DEAD = """
SELECT relname, n_dead_tup FROM pg_stat_user_tables WHERE n_dead_tup > ? AND n_dead_tup > n_live_tup
ORDER BY n_dead_tup DESC LIMIT 1
"""


# Without these what was acknowledged can be lost, or damaged, when the machine fails.
_UNSAFE = """
SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
"""
_VERSION = "SELECT CAST(current_setting('server_version_num') AS bigint), current_setting('server_version')"


class Upkeep(NamedTuple):
    """What was found."""

    held_s: int = 0  # age of the oldest snapshot
    table: str = ""  # with more dead rows than live ones; empty: none
    dead_rows: int = 0
    unsafe: str = ""  # settings that are off and should not be, with commas
    newer: str = ""  # version of a server that this release was not tested with

    def warnings(self) -> list[HealthWarning]:
        """What an operator should look at."""
        found = []
        if self.held_s >= HELD_S:
            found.append(health_warning("snapshot_held", minutes=self.held_s // 60))
        if self.table:
            found.append(health_warning("vacuum_behind", table=self.table, rows=self.dead_rows))
        if self.unsafe:
            found.append(health_warning("database_unsafe", settings=self.unsafe))
        if self.newer:
            found.append(health_warning("database_newer", version=self.newer, newest=NEWEST_SERVER))
        return found


def look(connection: Connection) -> Upkeep:
    """Asks the server for its statistics and settings."""
    (held_s,) = connection.execute(_HELD).fetchone()
    table, dead_rows = connection.execute(_DEAD, (DEAD_ROWS,)).fetchone() or ("", 0)
    (unsafe,) = connection.execute(_UNSAFE).fetchone()
    number, version = connection.execute(_VERSION).fetchone()
    newer = version if number // 10_000 > NEWEST_SERVER else ""
    return Upkeep(int(held_s), table, dead_rows, unsafe or "", newer)
