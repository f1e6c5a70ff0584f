"""What the HTTP ports of a node answer: the site while it is active and holds its lease, else that it stands by."""

import asyncio
from collections.abc import Callable
from typing import Any

from thingstead.api.app import AsgiApp
from thingstead.api.dialect import HttpAnswer

SAFE = ("GET", "HEAD", "OPTIONS")  # requests that change nothing


class Front:
    """ASGI application whose site comes and goes.

    An answer is sent only while the lease is held *at that moment*: the process may have been stopped for any time
    since the answer was made. A request that may have changed something then gets the answer that its outcome is not
    known.

    Args:
        standby: answers while no site is served.
        held: whether the lease is held now.
        outcome_unknown: in place of the answer to a request that may have changed something.
    """

    def __init__(self, standby: AsgiApp, held: Callable[[], bool], outcome_unknown: HttpAnswer) -> None:
        self._standby = standby
        self.held = held
        self._outcome_unknown = outcome_unknown
        self._site: AsgiApp | None = None
        self._open = 0  # requests that the site is answering
        self._idle = asyncio.Event()

    @property
    def serving(self) -> bool:
        """Whether requests are answered by a site."""
        return self._site is not None and self.held()

    def serve(self, site: AsgiApp) -> None:
        """Answers with this site from now on."""
        self._site = site

    def retire(self) -> None:
        """Answers no new request with the site."""
        self._site = None

    async def wait_idle(self, timeout_s: float) -> None:
        """Returns when the site has answered every request, or the time is up."""
        if self._open:
            self._idle.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()
            except TimeoutError:
                pass

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        site = self._site
        if site is None or scope["type"] != "http" or not self.held():
            await self._standby(scope, receive, send)
            return
        self._open += 1
        answer = _LeasedAnswer(self, scope, receive, send)
        try:
            await site(scope, receive, answer.send)
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()

    async def refuse(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request whose answer must not be sent any more."""
        if scope["method"] in SAFE:
            await self._standby(scope, receive, send)
            return
        answer = self._outcome_unknown
        headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


class _LeasedAnswer:
    """Sends the answer to one request as long as the lease is held. One that has begun is not completed after that,
    which closes the connection."""

    __slots__ = ("_front", "_receive", "_scope", "_send", "_void")

    def __init__(self, front: Front, scope: Any, receive: Any, send: Any) -> None:
        self._front = front
        self._scope = scope
        self._receive = receive
        self._send = send
        self._void = False

    async def send(self, message: Any) -> None:
        if self._void:
            return
        if self._front.held():
            await self._send(message)
            return
        self._void = True
        if message["type"] == "http.response.start":
            await self._front.refuse(self._scope, self._receive, self._send)
