"""The least that could answer like the platform: one Starlette route that encodes with msgspec, under uvicorn.

Usage: python -m bench.bare_http PORT FILE, where FILE holds the JSON document to answer.
"""

import sys
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def application(document: object) -> Starlette:
    """Answers the document, encoded for every request, at the path of a device's attributes."""
    encoder = msgspec.json.Encoder()

    async def attributes(request: Request) -> Response:
        assert request.path_params["device_id"]
        return Response(encoder.encode(document), media_type="application/json")

    return Starlette(routes=[Route("/api/v1/device/{device_id}/attributes", attributes)])


if __name__ == "__main__":
    uvicorn.run(
        application(msgspec.json.decode(Path(sys.argv[2]).read_bytes())),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
