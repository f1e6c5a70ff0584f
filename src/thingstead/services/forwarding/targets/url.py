"""Targets over HTTP: a POST for each message, or for each batch as a list."""

from collections.abc import Sequence
from typing import Any

from thingstead.model.forwarding.message import ForwardMessage, encoded, listed
from thingstead.model.forwarding.target import ANSWER_BYTES, UrlConfig
from thingstead.refusals import reason
from thingstead.services.forwarding.target import OpenContext, PermanentFailure, TargetRefusal, TransientFailure
from thingstead.services.outbound.http import RETRY_STATUS, HttpResponse, SendFailed, retry_after_s
from thingstead.services.outbound.signing import signed_headers

PAUSING_STATUS = frozenset({401, 403, 407})  # besides 3xx: somebody must change credentials or the address


class UrlSession:
    """See :class:`~thingstead.services.forwarding.target.TargetSession`."""

    def __init__(self, context: OpenContext, config: UrlConfig) -> None:
        self._context = context
        self._config = config

    async def send(self, batch: Sequence[ForwardMessage]) -> None:
        config, context = self._config, self._context
        first = batch[0]
        if context.batch:
            body, kind = listed(batch), "list"
        else:
            body, kind = encoded(first), first.kind
        headers = {**(config.headers or {}), "X-Thingstead-Id": first.id, "X-Thingstead-Kind": kind}
        headers |= signed_headers(config.secret, body, context.clock.now_ms())
        try:
            answer = await context.http.post(config.url, body, headers, status_only=True)
        except SendFailed as exc:
            hidden = exc.inner and not context.shows_private()
            why = reason("notice_not_taken") if hidden else exc.why
            raise TransientFailure(why, pause=exc.permanent) from exc
        _judge(answer, hidden=answer.inner and not context.shows_private())

    async def close(self) -> None:
        """Nothing: connections are shared, and closed when they are idle."""


async def open_url(context: OpenContext, config: Any) -> UrlSession:
    """Opens a target over HTTP; connections are made when something is sent."""
    return UrlSession(context, config)


def _judge(answer: HttpResponse, *, hidden: bool) -> None:
    """Raises the failure that an answer means.

    Args:
        hidden: a tenant must not see what the receiver answers.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    said = "" if hidden else answer.body[:ANSWER_BYTES].decode("utf-8", "replace")
    redirected = 300 <= status < 400
    why = reason("notice_redirected" if redirected else "notice_http_status", status=status)
    if redirected or status in PAUSING_STATUS:
        raise TransientFailure(why, pause=True, status=status, answer=said)
    if status in RETRY_STATUS or status >= 500 or status < 200:
        raise TransientFailure(why, retry_after_s=retry_after_s(answer), status=status, answer=said)
    raise PermanentFailure(TargetRefusal(why, status, said))
