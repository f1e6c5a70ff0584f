"""Looks whether PostgreSQL can clean up after the store: what keeps it from that makes every table grow and slow."""

from typing import NamedTuple

from thingstead.model.health import HealthWarning, health_warning
from thingstead.storage.sql.access.connection import Connection

HELD_S = 900  # age of a snapshot that is warned of
DEAD_ROWS = 1_000_000  # rows of a table that wait for vacuum, at least and beyond its live ones

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


class Upkeep(NamedTuple):
    """What was found."""

    held_s: int = 0  # age of the oldest snapshot
    table: str = ""  # with more dead rows than live ones; empty: none
    dead_rows: int = 0

    def warnings(self) -> list[HealthWarning]:
        """What an operator should look at."""
        found = []
        if self.held_s >= HELD_S:
            found.append(health_warning("snapshot_held", minutes=self.held_s // 60))
        if self.table:
            found.append(health_warning("vacuum_behind", table=self.table, rows=self.dead_rows))
        return found


def look(connection: Connection) -> Upkeep:
    """Asks the statistics of the server."""
    (held_s,) = connection.execute(_HELD).fetchone()
    table, dead_rows = connection.execute(_DEAD, (DEAD_ROWS,)).fetchone() or ("", 0)
    return Upkeep(int(held_s), table, dead_rows)
