"""The state of the server, for administrators."""

from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.model.roles import ADMIN
from thingstead.wire.server import ServerInfo


async def read_server(call: ApiCall) -> ServerInfo:
    """Version, ports, disk, memory and warnings of the server; of history the size of the own project only."""
    return await call.platform.server_status.read(call.caller.project_id)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/server",
        summary="Read the state of the server",
        handler=read_server,
        role=ADMIN,
        tag="Server",
        info=ServerInfo,
        access=Access.ADMINISTRATOR,
        extension=True,
    ),
)
