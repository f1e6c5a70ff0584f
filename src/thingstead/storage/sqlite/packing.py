"""Program that compacts the history of a SQLite file: ``python -m thingstead.storage.sqlite.packing PATH``."""

import sys
from pathlib import Path

from thingstead.storage.sql.history.packing_worker import answer
from thingstead.storage.sqlite.engine.database import connect

if __name__ == "__main__":
    answer(lambda: connect(Path(sys.argv[1]), read_only=True))
