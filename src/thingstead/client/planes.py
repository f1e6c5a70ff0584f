"""One device over HTTP: as the device itself, and as an application that belongs to it. For threads and for asyncio."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from thingstead.client.answers import answer_of
from thingstead.client.blocking import BlockingTransport
from thingstead.client.concurrent import AsyncTransport
from thingstead.client.http import TIMEOUT_S, Request, header_value, segment, target
from thingstead.client.retries import RETRIES, Retries

T = TypeVar("T")
DataKind = Literal["json", "hex", "text", "plaintext"]
PushMode = Literal["mqtt", "tcp"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Credentials of a device: its AccessToken and the ProjectKey."""

    access_token: str
    project_key: str

    def __repr__(self) -> str:
        return "Certificate(…)"


class PastReport(msgspec.Struct, frozen=True, kw_only=True):
    """Values that a device measured at an earlier time."""

    ts: int  # ms
    attributes: Mapping[str, Any]


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of a device, as answered for a DeviceKey."""

    id: str
    name: str
    access_token: str
    conn_type: str  # "3": a gateway

    def __repr__(self) -> str:
        return f"Fetched({self.id})"


class CommandReply(msgspec.Struct, frozen=True, kw_only=True):
    """A device's reply to a command."""

    method: str
    params: Any
    id: int


class _Done(msgspec.Struct, frozen=True):
    result: int
    refused: list[str] = []


class _Values(msgspec.Struct, frozen=True):
    attributes: dict[str, Any]


class _Certified(msgspec.Struct, frozen=True):
    device: Fetched


class _Replied(msgspec.Struct, frozen=True):
    reply: CommandReply


@dataclass(frozen=True, slots=True)
class _Ask(Generic[T]):
    """A request, and the type of its answer."""

    request: Request
    kind: type[T]


class _Plane:
    """Requests of one plane with one certificate."""

    def __init__(self, root: str, certificate: Certificate) -> None:
        self._path = f"{root}/{segment(certificate.access_token)}"
        self._headers = {"Project-Key": header_value("project_key", certificate.project_key)}

    def send(self, method: str, path: str, body: Any, kind: type[T], **query: Any) -> _Ask[T]:
        headers = self._headers
        if body is not None and not isinstance(body, bytes):
            headers = {**headers, "Content-Type": "application/json"}
            body = msgspec.json.encode(body)
        return _Ask(Request(method, target(f"{self._path}/{path}", query), headers, body), kind)

    def read(self, keys: Sequence[str]) -> _Ask[_Values]:
        return self.send("GET", "attributes", None, _Values, keys=",".join(keys) or None)

    def event(self, method: str, params: Mapping[str, Any] | None) -> _Ask[_Done]:
        return self.send("POST", "event/report", {"method": method, "params": params or {}}, _Done)

    def command(self, path: str, body: dict[str, Any], kind: type[T]) -> _Ask[T]:
        given = {name: value for name, value in body.items() if value is not None}
        return self.send("POST", path, given, kind)

    def data(self, identifier: str, message: Any, kind: DataKind, push_mode: PushMode | None) -> _Ask[_Done]:
        body = {"type": kind, "msg": message}
        return self.send("POST", f"data/{segment(identifier)}/set", body, _Done, push_mode=push_mode)


def _fetch(project_key: str, device_key: str, type_key: str, customer_id: str) -> _Ask[_Certified]:
    body = {"device_key": device_key, "type_key": type_key, "customer_id": customer_id}
    headers = {"Project-Key": header_value("project_key", project_key), "Content-Type": "application/json"}
    return _Ask(Request("POST", "/device/v1/certificate", headers, msgspec.json.encode(body)), _Certified)


class _Blocking:
    """Common base of the clients for threads."""

    root: str

    def __init__(
        self,
        url: str,
        certificate: Certificate,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        retries: Retries = RETRIES,
    ) -> None:
        self._transport = BlockingTransport(url, timeout_s=timeout_s, tls=tls, retries=retries)
        self._plane = _Plane(self.root, certificate)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def attributes(self, *keys: str) -> dict[str, Any]:
        """Reads current values: existing ones of ``keys``, or all."""
        return self._run(self._plane.read(keys)).attributes

    def _run(self, ask: _Ask[T]) -> T:
        return answer_of(self._transport.send(ask.request), ask.kind)


class _Concurrent:
    """Common base of the clients for asyncio."""

    root: str

    def __init__(
        self,
        url: str,
        certificate: Certificate,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        retries: Retries = RETRIES,
    ) -> None:
        self._transport = AsyncTransport(url, timeout_s=timeout_s, tls=tls, retries=retries)
        self._plane = _Plane(self.root, certificate)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def attributes(self, *keys: str) -> dict[str, Any]:
        """Reads current values: existing ones of ``keys``, or all."""
        return (await self._run(self._plane.read(keys))).attributes

    async def _run(self, ask: _Ask[T]) -> T:
        return answer_of(await self._transport.send(ask.request), ask.kind)


class HttpDevice(_Blocking):
    """A device that reports over HTTP. Methods return when the message is on the server's disk, and raise the error of
    a refusal."""

    root = "/device/v1"

    @staticmethod
    def fetch_certificate(
        url: str, project_key: str, device_key: str, *, type_key: str = "", customer_id: str = ""
    ) -> Fetched:
        """The certificate of the device with this DeviceKey. If it does not exist, it is created with the type of
        ``type_key``, if that has auto-create."""
        transport = BlockingTransport(url)
        try:
            ask = _fetch(project_key, device_key, type_key, customer_id)
            return answer_of(transport.send(ask.request), ask.kind).device
        finally:
            transport.close()

    def report(self, attributes: Mapping[str, Any]) -> list[str]:
        """Reports values. Returns the reasons for refused ones."""
        return self._run(self._plane.send("POST", "attributes", attributes, _Done)).refused

    def report_past(self, reports: Sequence[PastReport]) -> list[str]:
        """Reports values with timestamps of their own. Returns the reasons for refused ones."""
        return self._run(self._plane.send("POST", "attributes/series", reports, _Done)).refused

    def event(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Reports an event."""
        self._run(self._plane.event(method, params))

    def data(self, identifier: str, payload: bytes) -> None:
        """Sends custom data to the cloud."""
        self._run(self._plane.send("POST", f"data/{segment(identifier)}", payload, _Done))


class AsyncHttpDevice(_Concurrent):
    """A device that reports over HTTP, for asyncio; see :class:`HttpDevice`."""

    root = "/device/v1"

    @staticmethod
    async def fetch_certificate(
        url: str, project_key: str, device_key: str, *, type_key: str = "", customer_id: str = ""
    ) -> Fetched:
        """The certificate of the device with this DeviceKey. If it does not exist, it is created with the type of
        ``type_key``, if that has auto-create."""
        transport = AsyncTransport(url)
        try:
            ask = _fetch(project_key, device_key, type_key, customer_id)
            return answer_of(await transport.send(ask.request), ask.kind).device
        finally:
            await transport.close()

    async def report(self, attributes: Mapping[str, Any]) -> list[str]:
        """Reports values. Returns the reasons for refused ones."""
        return (await self._run(self._plane.send("POST", "attributes", attributes, _Done))).refused

    async def report_past(self, reports: Sequence[PastReport]) -> list[str]:
        """Reports values with timestamps of their own. Returns the reasons for refused ones."""
        return (await self._run(self._plane.send("POST", "attributes/series", reports, _Done))).refused

    async def event(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Reports an event."""
        await self._run(self._plane.event(method, params))

    async def data(self, identifier: str, payload: bytes) -> None:
        """Sends custom data to the cloud."""
        await self._run(self._plane.send("POST", f"data/{segment(identifier)}", payload, _Done))


class AppDevice(_Blocking):
    """An application's access to one device, with the device's certificate."""

    root = "/app/device/v1"

    def push(self, attributes: Mapping[str, Any]) -> list[str]:
        """Stores values, and sends them to the device if it is connected. Returns the reasons for refused ones."""
        return self._run(self._plane.send("POST", "attributes", attributes, _Done)).refused

    def update_cloud(self, attributes: Mapping[str, Any]) -> list[str]:
        """Changes values in the cloud only. Returns the reasons for refused ones."""
        return self._run(self._plane.send("PUT", "attributes", attributes, _Done)).refused

    def command(
        self, method: str, params: Mapping[str, Any] | None = None, *, id: int | None = None, wait_ms: int | None = None
    ) -> None:
        """Sends a command; ``wait_ms`` is how long it may wait for an offline device."""
        body = {"method": method, "params": params, "id": id, "wait_ms": wait_ms}
        self._run(self._plane.command("command/send", body, _Done))

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        id: int | None = None,
        timeout_s: float | None = None,
    ) -> CommandReply:
        """Sends a command and waits for the reply.

        Raises:
            DeviceOffline: the device has no live session.
            ReplyTimeout: no reply in time.
        """
        body = {"method": method, "params": params, "id": id, "timeout": timeout_s}
        return self._run(self._plane.command("command/sync/send", body, _Replied)).reply

    def data(
        self, identifier: str, message: Any, *, kind: DataKind = "json", push_mode: PushMode | None = None
    ) -> None:
        """Sends custom data to the device."""
        self._run(self._plane.data(identifier, message, kind, push_mode))


class AsyncAppDevice(_Concurrent):
    """An application's access to one device, for asyncio; see :class:`AppDevice`."""

    root = "/app/device/v1"

    async def push(self, attributes: Mapping[str, Any]) -> list[str]:
        """Stores values, and sends them to the device if it is connected. Returns the reasons for refused ones."""
        return (await self._run(self._plane.send("POST", "attributes", attributes, _Done))).refused

    async def update_cloud(self, attributes: Mapping[str, Any]) -> list[str]:
        """Changes values in the cloud only. Returns the reasons for refused ones."""
        return (await self._run(self._plane.send("PUT", "attributes", attributes, _Done))).refused

    async def command(
        self, method: str, params: Mapping[str, Any] | None = None, *, id: int | None = None, wait_ms: int | None = None
    ) -> None:
        """Sends a command; ``wait_ms`` is how long it may wait for an offline device."""
        body = {"method": method, "params": params, "id": id, "wait_ms": wait_ms}
        await self._run(self._plane.command("command/send", body, _Done))

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        id: int | None = None,
        timeout_s: float | None = None,
    ) -> CommandReply:
        """Sends a command and waits for the reply.

        Raises:
            DeviceOffline: the device has no live session.
            ReplyTimeout: no reply in time.
        """
        body = {"method": method, "params": params, "id": id, "timeout": timeout_s}
        return (await self._run(self._plane.command("command/sync/send", body, _Replied))).reply

    async def data(
        self, identifier: str, message: Any, *, kind: DataKind = "json", push_mode: PushMode | None = None
    ) -> None:
        """Sends custom data to the device."""
        await self._run(self._plane.data(identifier, message, kind, push_mode))
