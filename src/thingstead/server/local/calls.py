"""What a command asks a server, or the platform of a stopped one: a call of the Project API as the operator of a
project, or an operation on the whole installation."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import msgspec

from thingstead.api.app import AsgiApp
from thingstead.api.credentials import OPERATED_PROJECT
from thingstead.api.dialect import JSON_TYPE, failure
from thingstead.errors import InvalidInput, NotFound, ThingsteadError
from thingstead.refusals import Reason
from thingstead.services.audit.audit import acting
from thingstead.services.notifications.audit import StoppedChannel
from thingstead.services.platform import Platform
from thingstead.services.registry.projects import DAY_MS, Credentials

HOST = b"localhost"  # of calls that no HTTP client made
REMOTE_ADDRESS = "local"


class LocalCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request: a call where ``method`` is given, else an operation."""

    operation: str = ""  # a name of OPERATIONS
    arguments: dict[str, Any] = {}
    method: str = ""  # of HTTP
    path: str = ""  # percent-encoded, with its query string
    project: str = ""  # id of the project that is operated
    body: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class LocalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: a body of the Project API with its HTTP status, or the result of an operation."""

    status: int = 200
    body: msgspec.Raw = msgspec.Raw(b"null")


class ProjectRow(msgspec.Struct, frozen=True, kw_only=True):
    """A project of the installation."""

    id: str
    name: str
    project_key: str
    devices: int
    online: int


class NewProject(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials of a new project, shown once, and the channels that several projects stop."""

    credentials: Credentials
    stopped: list[StoppedChannel]


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a database."""

    name: str
    state: str  # active, standby
    trouble: str  # why the database cannot be asked; empty: it can be


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Why an operation failed."""

    errcode: int
    code: str
    message: str


async def answer(app: AsgiApp, platform: Platform, call: LocalCall) -> LocalAnswer:
    """Answers one request of the operator. Never raises an error of the tree."""
    if call.method:
        try:
            await platform.projects.get(call.project)
        except ThingsteadError as exc:
            return LocalAnswer(status=exc.errcode, body=msgspec.Raw(failure(exc).body))
        return await _project_api(app, call)
    try:
        operation = OPERATIONS.get(call.operation)
        if operation is None:
            detail = f"the server does not know the operation {call.operation}: restart it with this release"
            raise NotFound("not_done", detail=detail)
        with acting(platform.audit.author("cli")):
            return await answered(operation(platform, call.arguments))
    except ThingsteadError as exc:
        return refused(exc)


async def answered(operation: Awaitable[Any]) -> LocalAnswer:
    """The result of an operation, or why it failed."""
    try:
        return LocalAnswer(body=msgspec.Raw(msgspec.json.encode(await operation)))
    except ThingsteadError as exc:
        return refused(exc)


def refused(error: ThingsteadError) -> LocalAnswer:
    """The answer to an operation that failed."""
    failed = Failed(errcode=error.errcode, code=error.code, message=error.message)
    return LocalAnswer(status=error.errcode, body=msgspec.Raw(msgspec.json.encode(failed)))


def raise_failure(answered: LocalAnswer) -> None:
    """Raises ThingsteadError if an operation failed."""
    if answered.status != 200:
        failed = msgspec.json.decode(answered.body, type=Failed)
        raise ThingsteadError(Reason(failed.code, failed.message))


class _Exchange:
    """The request and the answer of a call, for the application."""

    def __init__(self, body: bytes) -> None:
        self._requests = [body]
        self._refused = asyncio.Event()
        self._parts: list[bytes] = []
        self.status = 500

    async def receive(self) -> dict[str, Any]:
        """The body first; then the end of the connection, for which handlers of long reads wait."""
        if self._requests:
            return {"type": "http.request", "body": self._requests.pop(), "more_body": False}
        await self._refused.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if dict(message["headers"]).get(b"content-type", b"").split(b";")[0] != JSON_TYPE:
                self._refused.set()  # ends an answer that is made piece by piece
        elif not self._refused.is_set():
            self._parts.append(message["body"])

    def answer(self) -> LocalAnswer:
        if self._refused.is_set():
            error = InvalidInput("not_done", detail="the answer is not JSON but a file: ask for it over HTTP")
            return LocalAnswer(status=error.errcode, body=msgspec.Raw(failure(error).body))
        return LocalAnswer(status=self.status, body=msgspec.Raw(b"".join(self._parts) or b"null"))


async def _project_api(app: AsgiApp, call: LocalCall) -> LocalAnswer:
    path, _, query = call.path.partition("?")
    body = b"" if isinstance(call.body, msgspec.UnsetType) else bytes(call.body)
    scope: dict[str, Any] = {
        "type": "http",
        "method": call.method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", HOST), (b"content-type", JSON_TYPE), (b"content-length", b"%d" % len(body))],
        "scheme": "http",
        "http_version": "1.1",
        "client": (REMOTE_ADDRESS, 0),
        OPERATED_PROJECT: call.project,
    }
    exchange = _Exchange(body)
    await app(scope, exchange.receive, exchange.send)
    return exchange.answer()


async def _list_projects(platform: Platform, _: dict[str, Any]) -> list[ProjectRow]:
    rows = []
    for project in await platform.projects.list_all():
        stat = await platform.devices.stat(project.id)
        rows.append(
            ProjectRow(
                id=project.id,
                name=project.name,
                project_key=project.project_key,
                devices=stat.device_total,
                online=stat.online_device_total,
            )
        )
    return rows


async def _create_project(platform: Platform, arguments: dict[str, Any]) -> NewProject:
    credentials = await platform.projects.create(arguments["name"])
    return NewProject(credentials=credentials, stopped=await platform.notify.stopped_channels())


async def _rotate_key(platform: Platform, arguments: dict[str, Any]) -> str:
    grace_ms = round(arguments["grace_days"] * DAY_MS)
    project_key: str = (await platform.projects.rotate_project_key(arguments["project"], grace_ms)).project_key
    return project_key


async def _rotate_token_secret(platform: Platform, _: dict[str, Any]) -> None:
    await platform.tokens.renew_secret()


Operation = Callable[[Platform, dict[str, Any]], Awaitable[Any]]
OPERATIONS: dict[str, Operation] = {
    "projects": _list_projects,
    "create_project": _create_project,
    "rotate_key": _rotate_key,
    "rotate_token_secret": _rotate_token_secret,
}
