"""The server: builds every part downwards, stops them upwards, and is the only one that names a backend."""

from thingstead.server.composition import (
    Server,
    database_backups,
    initialize,
    open_platform,
    open_server,
    opening,
    store_migration,
)
from thingstead.server.folder import FolderInUse

__all__ = [
    "FolderInUse",
    "Server",
    "database_backups",
    "initialize",
    "open_platform",
    "open_server",
    "opening",
    "store_migration",
]
