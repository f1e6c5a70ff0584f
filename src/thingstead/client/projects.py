"""Callers of the Project API: one for threads, one for asyncio. They log in when they must, and again when a token has
ended."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from thingstead.client.answers import info_of
from thingstead.client.blocking import BlockingTransport
from thingstead.client.call import START, Call, Listing
from thingstead.client.call_group import Blocking, Concurrent
from thingstead.client.concurrent import AsyncTransport
from thingstead.client.groups import CallGroups
from thingstead.client.http import TIMEOUT_S
from thingstead.client.retries import RETRIES, Retries
from thingstead.client.walks import Walk
from thingstead.errors import NotAuthenticated
from thingstead.wire.login import AccessToken

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApplicationKeys:
    """Keys of an application of type API, for back ends."""

    app_id: str
    access_key: str
    secret_key: str

    def log_in(self) -> Call[AccessToken]:
        """The call that gets an AccessToken."""
        body = {"app_id": self.app_id, "access_key": self.access_key, "secret_key": self.secret_key}
        return Call("POST", "/access_token", AccessToken, body)

    def __repr__(self) -> str:
        return f"ApplicationKeys({self.app_id})"


@dataclass(frozen=True, slots=True)
class AdministratorLogin:
    """Account and password of an administrator, with the application that is used to log in."""

    app_id: str
    account: str
    password: str

    def log_in(self) -> Call[AccessToken]:
        """The call that gets an AccessToken."""
        body = {"app_id": self.app_id, "account": self.account, "password": self.password}
        return Call("POST", "/admin_login", AccessToken, body)

    def __repr__(self) -> str:
        return f"AdministratorLogin({self.account})"


Credentials = ApplicationKeys | AdministratorLogin


class ProjectClient(CallGroups[Blocking]):
    """Client of the Project API for programs with threads; threads may share it.

    Calls raise the error of :mod:`thingstead.errors` for the errcode, and Unavailable if the server cannot be reached.

    Args:
        url: ``https://things.example.com``, optionally with a path prefix.
        tls: None: trust the system's certificate authorities.
        retries: of calls that the server refuses for now.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        retries: Retries = RETRIES,
    ) -> None:
        super().__init__(self)
        self._credentials = credentials
        self._transport = BlockingTransport(url, timeout_s=timeout_s, tls=tls, retries=retries)
        self._token = ""
        self._log_in_lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def run(self, call: Call[T]) -> T:
        """Sends a call and returns its result."""
        token = self._token or self._log_in("")
        try:
            return self._send(call, token)
        except NotAuthenticated:
            # Tokens become invalid when they expire and when the application's keys are reset.
            return self._send(call, self._log_in(token))

    def items(self, listing: Listing[T] | Walk[T]) -> Iterator[T]:
        """All items of a list; a page is read when its first item is needed. Items that are added or removed meanwhile
        cause no other item to be missed or repeated."""
        if isinstance(listing, Walk):
            yield from self._walk(listing)
            return
        cursor = START
        while cursor:
            page = self.run(listing.at(cursor))
            yield from page.items
            cursor = page.next_cursor or ""

    def _walk(self, walk: Walk[T]) -> Iterator[T]:
        steps, result = walk.steps(), None
        while True:
            try:
                step = steps.send(result)
            except StopIteration:
                return
            result = None
            if isinstance(step, Call):
                result = self.run(step)
            else:
                yield from step

    def _send(self, call: Call[T], token: str) -> T:
        result: T = info_of(self._transport.send(call.request(token)), call.kind)
        return result

    def _log_in(self, ended: str) -> str:
        with self._log_in_lock:
            if self._token == ended:
                self._token = self._send(self._credentials.log_in(), "").access_token
            return self._token


class AsyncProjectClient(CallGroups[Concurrent]):
    """Client of the Project API for asyncio; see :class:`ProjectClient`."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        retries: Retries = RETRIES,
    ) -> None:
        super().__init__(self)
        self._credentials = credentials
        self._transport = AsyncTransport(url, timeout_s=timeout_s, tls=tls, retries=retries)
        self._token = ""
        self._log_in_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def run(self, call: Call[T]) -> T:
        """Sends a call and returns its result."""
        token = self._token or await self._log_in("")
        try:
            return await self._send(call, token)
        except NotAuthenticated:
            return await self._send(call, await self._log_in(token))

    async def items(self, listing: Listing[T] | Walk[T]) -> AsyncIterator[T]:
        """All items of a list; a page is read when its first item is needed. Items that are added or removed meanwhile
        cause no other item to be missed or repeated."""
        if isinstance(listing, Walk):
            async for item in self._walk(listing):
                yield item
            return
        cursor = START
        while cursor:
            page = await self.run(listing.at(cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor or ""

    async def _walk(self, walk: Walk[T]) -> AsyncIterator[T]:
        steps, result = walk.steps(), None
        while True:
            try:
                step = steps.send(result)
            except StopIteration:
                return
            result = None
            if isinstance(step, Call):
                result = await self.run(step)
            else:
                for item in step:
                    yield item

    async def _send(self, call: Call[T], token: str) -> T:
        result: T = info_of(await self._transport.send(call.request(token)), call.kind)
        return result

    async def _log_in(self, ended: str) -> str:
        async with self._log_in_lock:
            if self._token == ended:
                self._token = (await self._send(self._credentials.log_in(), "")).access_token
            return self._token
