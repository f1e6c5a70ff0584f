"""What an endpoint is: one declaration for routing, validation and documentation."""

import enum
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from thingstead.api.body import Scope
from thingstead.errors import ThingsteadError
from thingstead.model.device import Device
from thingstead.model.limits import CREDENTIAL_BODY_BYTES
from thingstead.model.roles import Role
from thingstead.services.accounts.tokens import NOBODY, Caller
from thingstead.services.platform import Platform
from thingstead.wire.common import Empty

__all__ = ["Access", "ApiCall", "Caller", "Empty", "Endpoint"]


class Access(enum.Enum):
    """Who may call an endpoint."""

    PUBLIC = "public"  # anyone; for logging in
    CALLER = "caller"  # any valid AccessToken
    ADMINISTRATOR = "administrator"  # an AccessToken from admin_login, or a session in a browser
    SESSION = "session"  # a session in a browser, of which the endpoint tells
    DEVICE = "device"  # a device certificate: the header Project-Key, and the device's AccessToken in the path
    PROJECT_KEY = "project_key"  # the header Project-Key, for a device that asks for its certificate


NO_ROLE = frozenset({Access.PUBLIC, Access.DEVICE, Access.PROJECT_KEY})  # nobody calls who could have one


class ApiCall:
    """One request that has passed authentication and validation.

    ``query`` and ``body`` are instances of the types that the endpoint declares (of a raw body: the bytes), ``path``
    holds the path parameters (1 to 128 printable characters each). ``device`` is the one whose certificate came with
    the request; only the device's planes have it. ``scope`` is the request as ASGI has it, for who must look at its
    headers, and what is put into ``answer_headers`` goes into those of a success. ``traced``: the trace
    of the device was told what became of the body.
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


Handler = Callable[[ApiCall], Coroutine[Any, Any, Any]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A declaration of what is served at one method and path.

    ``handler`` returns the ``info`` member of the answer: a value that msgspec can encode, ``msgspec.Raw`` with JSON
    that is already encoded, or None for ``{}``. On the device's planes it returns the whole answer: a Struct with
    ``result``, bytes that are already JSON, or None for ``{"result":1}``. It raises errors of the tree. Its docstring
    is the description.
    """

    method: str
    path: str  # parameters in braces: /api/v1/device/{device_id}/info
    summary: str
    handler: Handler
    tag: str
    body: Any = None  # a Struct type, or dict[str, Any] for a free object; None: no body
    body_optional: bool = False  # an empty body stands for {}
    read_only: type[msgspec.Struct] | None = None  # what a caller may read, change and send back as the body
    query: type[msgspec.Struct] | None = None
    wide_integers: bool = False  # of more than 64 bits are left to the handler, which names them
    acts: bool = False  # a GET that does more than read; HEAD, which must not, is refused
    large: Callable[[ApiCall], bool] | None = None  # whether it may read for long; it ends when nobody waits
    raw: bool = False  # the handler gets the body as bytes; ``body`` says what they should be
    info: Any = Empty  # the type of ``info``; on the device's planes of the whole answer
    access: Access = Access.CALLER
    role: Role | None = None  # that a caller of the Project API needs; each endpoint that knows its caller states it
    extension: bool = False  # not part of the original Project API
    refusals: tuple[type[ThingsteadError], ...] = ()  # beyond those that follow from the declaration
    example: Any = None  # an example of the body; one is made from the type where this is None
    body_limit_bytes: int | None = None  # None: the setting; CREDENTIAL_BODY_BYTES where anybody may call
    confidential: bool = False  # the answer carries a credential; nobody on its way may store it
    topic: str = ""  # of a device's uplink: what MQTT calls it; what is refused is noted under it in the device's log

    def __post_init__(self) -> None:
        """A ValueError where the role is missing, or stands where nobody has one."""
        if (self.role is None) is not (self.access in NO_ROLE):
            raise ValueError(f"{self.method} {self.path}: its role must be stated, and only where there is a caller")

    @property
    def warns(self) -> bool:
        """Whether its answer names what was passed over. Firmware gets no member that it does not expect: official one
        parses the whole answer into 256 bytes."""
        return not self.path.startswith("/device/")

    @property
    def for_devices(self) -> bool:
        """Whether it belongs to the device's planes (``{"result": 1}``) and not to the Project API."""
        return self.access in (Access.DEVICE, Access.PROJECT_KEY)

    def body_limit(self, setting_bytes: int) -> int:
        """How long a body may be, where the setting says ``setting_bytes``."""
        if self.access in (Access.PUBLIC, Access.PROJECT_KEY):
            return min(setting_bytes, CREDENTIAL_BODY_BYTES)
        return self.body_limit_bytes or setting_bytes
