"""Program that compacts the history of a PostgreSQL database: ``python -m thingstead.storage.postgres.packing NAME``.

What it connects with stands in its environment, where no other account of the machine sees it.
"""

import os
import sys

from thingstead.storage.postgres.engine.connection import PostgresConnection, connect
from thingstead.storage.postgres.engine.database import CONNINFO, READ_TIMEOUT_MS
from thingstead.storage.sql.history.packing_worker import answer

if __name__ == "__main__":
    conninfo = os.environ.pop(CONNINFO)
    answer(lambda: PostgresConnection(lambda: connect(conninfo, sys.argv[1], READ_TIMEOUT_MS)))
