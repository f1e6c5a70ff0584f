"""Registry of the open connections of a broker, authenticated or not."""

import asyncio
from collections.abc import Iterator
from typing import Generic, TypeVar

C = TypeVar("C")


class Clients(Generic[C]):
    """A set that can be waited for until it is empty."""

    def __init__(self) -> None:
        self._clients: set[C] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[C]:
        """Over those of this moment."""
        return iter(tuple(self._clients))

    def add(self, client: C) -> None:
        self._clients.add(client)
        self._emptied.clear()

    def discard(self, client: C) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._emptied.set()

    async def wait_until_none(self, timeout_s: float) -> None:
        """Returns when there is none, or the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._emptied.wait()
        except TimeoutError:
            pass
