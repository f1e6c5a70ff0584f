"""Requests that are sent again because the server refused them for now (429, 503)."""

import random
from dataclasses import dataclass

import msgspec

from thingstead.client.http import SAFE_TO_REPEAT, Request, Response

THROTTLED, UNAVAILABLE = 429, 503
PAUSE_MIN_S = 0.25


class _Refusal(msgspec.Struct):
    errcode: int = 0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and for how long, a refused request is sent again.

    A request is sent again after 429, which the server answers before it acts, and after 503: if the server itself says
    that it changed nothing (errcode 503 in the body), or if the method is safe to repeat (GET, PUT, DELETE). Other
    failures, such as a lost connection, are not retried.

    Args:
        count: further attempts; 0: none.
        pause_max_s: longest pause before an attempt. If the server asks for a longer one (Retry-After), the refusal is
            raised at once.
    """

    count: int = 3
    pause_max_s: float = 10.0

    def pause_s(self, request: Request, response: Response, attempt: int) -> float | None:
        """Seconds to wait before the request is sent again; None: it is not.

        Args:
            attempt: attempts so far, from 1.
        """
        if response.status not in (THROTTLED, UNAVAILABLE) or attempt > self.count:
            return None
        if response.status == UNAVAILABLE and request.method not in SAFE_TO_REPEAT and not _nothing_changed(response):
            return None
        asked = response.headers.get("retry-after", "")
        asked_s = float(asked) if asked.isdecimal() else 0.0
        if asked_s > self.pause_max_s:
            return None
        # Full jitter above what was asked for, so that callers refused together do not come back together.
        return min(asked_s + random.uniform(0.5, 1.0) * PAUSE_MIN_S * (1 << min(attempt - 1, 10)), self.pause_max_s)  # noqa: S311  # no secret


RETRIES = Retries()  # of a client that is not told otherwise


def _nothing_changed(response: Response) -> bool:
    """Whether the refusal is the server's own; that of a proxy may come after the server has acted."""
    try:
        return msgspec.json.decode(response.body, type=_Refusal).errcode == UNAVAILABLE
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
