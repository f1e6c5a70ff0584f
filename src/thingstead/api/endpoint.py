"""What an endpoint is: one declaration for routing, validation and documentation."""

import enum
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from thingstead.api.body import Scope
from thingstead.errors import Forbidden, ThingsteadError
from thingstead.model.device import Device
from thingstead.model.limits import CREDENTIAL_BODY_BYTES
from thingstead.model.roles import Role
from thingstead.model.token_scope import ScopedRead
from thingstead.services.accounts.tokens import NOBODY, Caller
from thingstead.services.platform import Platform
from thingstead.wire.common import Empty

__all__ = ["Access", "ApiCall", "Caller", "Empty", "Endpoint"]


OPERATOR_NAME = "operator"  # the name of the operator of the server, who has no account


class Access(enum.Enum):
    """Who may call an endpoint."""

    PUBLIC = "public"  # anyone; for log-ins
    CALLER = "caller"  # any valid AccessToken
    ADMINISTRATOR = "administrator"  # an AccessToken from admin_login, or a session in a browser
    SESSION = "session"  # a session in a browser
    DEVICE = "device"  # a device certificate: the header Project-Key, and the device's AccessToken in the path
    PROJECT_KEY = "project_key"  # the header Project-Key, for a device that asks for its certificate


NO_ROLE = frozenset({Access.PUBLIC, Access.DEVICE, Access.PROJECT_KEY})  # callers without a role


class ApiCall:
    """One authenticated and validated request.

    ``query`` and ``body`` are instances of the types that the endpoint declares (bytes for a raw body, an asynchronous
    iterator of bytes for a streamed one); ``path`` has the path parameters (1 to 128 printable characters each).
    ``device`` is set on device planes only: the device of the certificate. ``scope`` is the ASGI scope, for handlers
    that need headers; ``answer_headers`` are added to a successful response. ``traced``: the handler has published the
    outcome to the device's trace.
    """

    __slots__ = (
        "answer_headers",
        "body",
        "caller",
        "device",
        "path",
        "platform",
        "project_key",
        "query",
        "remote_address",
        "scope",
        "traced",
    )
    device: Device

    def __init__(
        self,
        platform: Platform,
        path: dict[str, str],
        *,
        caller: Caller = NOBODY,
        query: Any = None,
        body: Any = None,
        remote_address: str = "",
        project_key: str = "",
        scope: Scope | None = None,
    ) -> None:
        self.platform = platform
        self.path = path
        self.caller = caller
        self.query = query
        self.body = body
        self.remote_address = remote_address
        self.project_key = project_key
        self.scope: Scope = {"headers": ()} if scope is None else scope
        self.traced = False
        self.answer_headers: list[tuple[bytes, bytes]] = []

    @property
    def person_id(self) -> str:
        """Id of the administrator who calls. Raises Forbidden for another caller, such as the operator of the
        server."""
        if self.caller.admin_id is None:
            raise Forbidden("administrator_only")
        return self.caller.admin_id


Handler = Callable[[ApiCall], Coroutine[Any, Any, Any]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Declaration of one method and path.

    ``handler`` returns the ``info`` member of the answer: a value that msgspec can encode, ``msgspec.Raw`` with encoded
    JSON, or None for ``{}``. On the device planes it returns the whole answer: a Struct with ``result``, encoded JSON
    as bytes, or None for ``{"result":1}``. It raises errors of the tree in ``errors.py``. Its docstring is the
    description in OpenAPI and in ``/docs``.
    """

    method: str
    path: str  # parameters in braces: /api/v1/device/{device_id}/info
    summary: str
    handler: Handler
    tag: str
    body: Any = None  # a Struct type, or dict[str, Any] for a free object; None: no body
    body_optional: bool = False  # an empty body stands for {}
    read_only: type[msgspec.Struct] | None = None  # answer of GET: its other members are ignored in the body
    query: type[msgspec.Struct] | None = None
    wide_integers: bool = False  # integers over 64 bits are passed to the handler, which refuses them by name
    acts: bool = False  # a GET with effects; HEAD is refused
    large: Callable[[ApiCall], bool] | None = None  # whether it may read for long; cancelled with the connection
    raw: bool = False  # the handler gets the body as bytes; ``body`` is their type in the documentation
    streamed: bool = False  # the handler reads the body in pieces, and bounds it; ``body`` is ``bytes``
    info: Any = Empty  # type of ``info``; on the device planes type of the whole answer
    access: Access = Access.CALLER
    scoped: ScopedRead | None = None  # read of one device (device_id) that a scoped token may be for
    role: Role | None = None  # role that a caller of the Project API needs; required unless Access is in NO_ROLE
    file: str = ""  # content type of the file that the handler returns, as a StreamedFile, in place of ``info``
    extension: bool = False  # not part of the original Project API
    refusals: tuple[type[ThingsteadError], ...] = ()  # errors besides those that follow from the declaration
    example: Any = None  # example of the body; None: made from the type
    body_limit_bytes: int | None = None  # None: the setting; CREDENTIAL_BODY_BYTES for public endpoints
    confidential: bool = False  # the answer contains a credential: caches must not store it
    topic: str = ""  # MQTT topic of the same uplink, under which refusals are logged for the device

    def __post_init__(self) -> None:
        """Raises ValueError if the role is missing, or given for callers without a role, or if ``scoped`` is given for
        anything but the read of a device."""
        if (self.role is None) is not (self.access in NO_ROLE):
            raise ValueError(f"{self.method} {self.path}: its role must be stated, and only where there is a caller")
        if self.scoped is not None and (self.method != "GET" or "{device_id}" not in self.path or self.file):
            raise ValueError(f"{self.method} {self.path}: a scoped token is for reads of one device")

    @property
    def warns(self) -> bool:
        """Whether answers list unknown names. Those on the device planes do not, because official firmware parses the
        whole answer into 256 bytes."""
        return not self.path.startswith("/device/")

    @property
    def for_devices(self) -> bool:
        """Whether it belongs to the device planes (``{"result": 1}``) and not to the Project API."""
        return self.access in (Access.DEVICE, Access.PROJECT_KEY)

    def body_limit(self, setting_bytes: int) -> int:
        """Maximum body size in bytes, if the setting is ``setting_bytes``."""
        if self.access in (Access.PUBLIC, Access.PROJECT_KEY):
            return min(setting_bytes, CREDENTIAL_BODY_BYTES)
        return self.body_limit_bytes or setting_bytes
