"""Nodes of a database in this process."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from thingstead.config import AccountSettings, ClusterSettings, Config
from thingstead.server.cluster.node import Node
from thingstead.server.cluster.opening import open_database_node, wait_until_active
from thingstead.services.registry.projects import Credentials

TIMEOUT_S = 30


class Pair:
    """Nodes that a test starts and ends by name."""

    def __init__(self, folder: Path, database: str, password_file: str = "") -> None:
        self._folder = folder
        self._password_file = password_file
        self.database = database
        self.credentials: list[Credentials] = []
        self._stacks: dict[str, AsyncExitStack] = {}

    async def start(self, name: str, lease_s: float = 3) -> Node:
        """Starts a node, which stands by."""
        config = Config(
            data_dir=str(self._folder / name),
            database=self.database,
            database_password_file=self._password_file,
            host="127.0.0.1",
            http_port=0,
            mqtt_port=0,
            tcp_port=0,
            open_mqtt_port=0,
            account=AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1),
            cluster=ClusterSettings(node_name=name, lease_s=lease_s),
        )
        stack = self._stacks[name] = AsyncExitStack()
        return await stack.enter_async_context(open_database_node(config, hand_over=self.credentials.append))

    async def end(self, name: str) -> None:
        """Ends a node, which hands over."""
        await self._stacks.pop(name).aclose()

    async def close(self) -> None:
        """Ends the nodes that still run."""
        for name in list(self._stacks):
            await self.end(name)


async def active(node: Node) -> Node:
    """The node, once it is active."""
    async with asyncio.timeout(TIMEOUT_S):
        await wait_until_active(node)
    return node
