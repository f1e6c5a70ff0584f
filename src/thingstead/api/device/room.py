"""Holds a request back while the store has more to write than it can take."""

import asyncio

from thingstead.errors import Unavailable
from thingstead.services.ingest import IngestService

ROOM_TIMEOUT_S = 10.0


async def await_room(ingest: IngestService) -> None:
    """Returns when there is room for a report again; Unavailable where there is none within :data:`ROOM_TIMEOUT_S`."""
    relieved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ingest.on_relief(lambda: None if relieved.done() else relieved.set_result(None))
    try:
        async with asyncio.timeout(ROOM_TIMEOUT_S):
            await relieved
    except TimeoutError:
        raise Unavailable("the server has more to write than it can take") from None
