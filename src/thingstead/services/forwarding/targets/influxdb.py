"""InfluxDB: line protocol over ``/write`` (1.x) or ``/api/v2/write`` (2.x).

A batch that is refused in part has stored its good lines. It is sent again in halves down to the line that is refused;
lines that are written again replace themselves, since their series and instant are the same.
"""

import asyncio
import base64
import gzip
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.target import ANSWER_BYTES
from thingstead.refusals import reason
from thingstead.services.forwarding.line_protocol import points
from thingstead.services.forwarding.target import OpenContext, PermanentFailure, TargetRefusal, TransientFailure
from thingstead.services.outbound.http import RETRY_STATUS, HttpResponse, SendFailed, retry_after_s

PAUSING_STATUS = frozenset({401, 403, 404, 407})  # besides 3xx: somebody must mend credentials or the database
COMPRESSION_LEVEL = 1


class InfluxdbSession:
    """See :class:`~thingstead.services.forwarding.target.TargetSession`."""

    def __init__(self, context: OpenContext, config: InfluxdbConfig) -> None:
        self._context = context
        self._config = config
        self._url = _address(config)
        self._headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"} | _log_in(config)

    async def send(self, batch: Sequence[ForwardMessage]) -> None:
        config, context = self._config, self._context
        body = await asyncio.to_thread(_body, batch, context.project_id, config)
        if not body:  # no message has a value
            return
        hides = not context.shows_private()
        try:
            answer = await context.http.post(self._url, body, self._headers, status_only=True)
        except SendFailed as exc:
            why = reason("notice_not_taken") if exc.inner and hides else exc.why
            raise TransientFailure(why, pause=exc.permanent) from exc
        _judge(answer, hidden=answer.inner and hides)

    async def close(self) -> None:
        """Nothing: connections are shared, and closed when they are idle."""


async def open_influxdb(context: OpenContext, config: Any) -> InfluxdbSession:
    """Opens an InfluxDB; connections are made when something is sent."""
    return InfluxdbSession(context, config)


def _body(batch: Sequence[ForwardMessage], project_id: str, config: InfluxdbConfig) -> bytes:
    """The lines of a batch, compressed; empty if there are none. It takes some ms, so a thread makes it."""
    lines = [line for line in points(batch, project_id, config.measurement, config.tags) if line]
    return gzip.compress(b"\n".join(lines), COMPRESSION_LEVEL) if lines else b""


def _address(config: InfluxdbConfig) -> str:
    if config.database is not None:
        members = {"db": config.database, "precision": "ns"}
        if config.retention_policy is not None:
            members["rp"] = config.retention_policy
        path = "/write"
    else:
        members = {"org": config.org or "", "bucket": config.bucket or "", "precision": "ns"}
        path = "/api/v2/write"
    return f"{config.url.partition('?')[0].rstrip('/')}{path}?{urlencode(members)}"


def _log_in(config: InfluxdbConfig) -> dict[str, str]:
    if config.token is not None:
        return {"Authorization": f"Token {config.token}"}
    if config.user_name is not None:
        pair = f"{config.user_name}:{config.password or ''}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _judge(answer: HttpResponse, *, hidden: bool) -> None:
    """Raises the failure that an answer means."""
    status = answer.status
    if 200 <= status < 300:
        return
    said = "" if hidden else answer.body[:ANSWER_BYTES].decode("utf-8", "replace")
    redirected = 300 <= status < 400
    why = reason("notice_redirected" if redirected else "notice_http_status", status=status)
    if status == 404:
        why = reason("influxdb_no_database", detail=said[:200])
    if redirected or status in PAUSING_STATUS:
        raise TransientFailure(why, pause=True, status=status, answer=said)
    if status in RETRY_STATUS or status >= 500 or status < 200:
        raise TransientFailure(why, retry_after_s=retry_after_s(answer), status=status, answer=said)
    raise PermanentFailure(TargetRefusal(why, status, said))
