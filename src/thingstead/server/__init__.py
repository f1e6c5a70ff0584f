"""The server: builds every part downwards, stops them upwards, and is the only one that names a backend."""

from thingstead.server.composition import Server, initialize, open_platform, open_server
from thingstead.server.folder import FolderInUse

__all__ = ["FolderInUse", "Server", "initialize", "open_platform", "open_server"]
