"""Issues and verifies scoped tokens: for pages and partners that may see some devices for some time.

A token is ``st.`` and ``base64url(claims || HMAC-SHA256(secret, label || claims))``; the claims are a msgpack array.
Tokens are not stored. Whoever issued one must still exist, with the epoch in the token: the removal or the reset of the
application, and the removal, a new password or a new role of the administrator, end the tokens that they issued.
"""

import hmac
from typing import NamedTuple

import msgspec

from thingstead.clock import Clock
from thingstead.errors import FieldError, Forbidden, InvalidInput, NotAuthenticated, NotFound
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.device import Device
from thingstead.model.ids import new_id
from thingstead.model.roles import OPERATOR, allows
from thingstead.model.token_scope import SCOPED_TOKEN_BYTES, SCOPED_TOKEN_PREFIX, TokenScope
from thingstead.services.accounts.token_text import bytes_of, text_of
from thingstead.services.accounts.tokens import MAC_BYTES, Caller, TokenService
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store
from thingstead.storage.commit import settled

RECORD_INTERVAL_MS = 3_600_000  # between two rows of the audit log for the same application and scope
RECORDED_LIMIT = 1_000  # remembered pairs of these; the least recently used is recorded again
_LABEL = b"scoped\0"  # signed with the claims, so that no other token's claims pass for them


class ScopedClaims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says."""

    id: str
    project_id: str
    app_id: str  # empty: issued in a browser
    admin_id: str | None  # None: issued by an application
    app_epoch: int
    admin_epoch: int
    expires_at: int  # ms
    scope: TokenScope


class ScopedToken(NamedTuple):
    """A new token, which cannot be shown again."""

    claims: ScopedClaims
    token: str


class ScopedTokenService:
    """Issues scoped tokens to applications and administrators, and authenticates what sends them."""

    def __init__(self, store: Store, clock: Clock, tokens: TokenService) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._recorded: Lru[tuple[str, TokenScope], int] = Lru(RECORDED_LIMIT)  # instants (ms)
        self._decode = msgspec.msgpack.Decoder(ScopedClaims).decode

    async def issue(self, caller: Caller, scope: TokenScope, life_s: int) -> ScopedToken:
        """Issues a token of a caller, and records it in the audit log; of an application once an hour for each scope.

        Raises:
            InvalidInput: the scope has no device, grants nothing, or names something that the project does not have.
            Forbidden: the caller is the operator of the server, whom no token could be tied to.
        """
        await self._check(caller.project_id, scope)
        app_epoch = admin_epoch = 0
        if caller.app_id:
            application = await self._store.accounts.find_application(caller.app_id)
            app_epoch = application.token_epoch if application is not None else -1
        if caller.admin_id is not None:
            administrator = await self._store.accounts.find_administrator(caller.admin_id)
            admin_epoch = administrator.token_epoch if administrator is not None else -1
        if not caller.app_id and caller.admin_id is None:
            raise Forbidden("administrator_only")
        claims = ScopedClaims(
            id=new_id(),
            project_id=caller.project_id,
            app_id=caller.app_id,
            admin_id=caller.admin_id,
            app_epoch=app_epoch,
            admin_epoch=admin_epoch,
            expires_at=self._clock.now_ms() + life_s * 1000,
            scope=scope,
        )
        signed = msgspec.msgpack.encode(claims)
        token = text_of(signed + await self._tokens.mac(_LABEL + signed))
        if self._is_recorded_already(caller, scope):
            return ScopedToken(claims, SCOPED_TOKEN_PREFIX + token)
        shown = {name: list(getattr(scope, name)) for name in scope.__struct_fields__}
        changes = differences({}, {**shown, "expires_at": claims.expires_at})
        edit = Edit(caller.project_id, "scoped_token", claims.id, "", "create", changes)
        commit = self._store.audit.beside(edit)
        if commit is not None:
            await settled(commit)
        self._recorded.put((caller.app_id, scope), self._clock.now_ms())
        return ScopedToken(claims, SCOPED_TOKEN_PREFIX + token)

    def _is_recorded_already(self, caller: Caller, scope: TokenScope) -> bool:
        """Whether an application was recorded for this scope within an hour: it may issue a token for every visitor of
        a page, which would leave no room for other rows."""
        if caller.admin_id is not None:
            return False
        now = self._clock.now_ms()
        recorded_at = self._recorded.use((caller.app_id, scope))
        return recorded_at is not None and recorded_at <= now < recorded_at + RECORD_INTERVAL_MS

    async def authenticate(self, token: str) -> ScopedClaims:
        """What a token says. Raises NotAuthenticated if it is not valid, or no longer."""
        claims = await self._verified(token)
        if claims.expires_at <= self._clock.now_ms() or not await self._is_backed(claims):
            raise NotAuthenticated("token_invalid")
        return claims

    async def require(self, project_id: str, scope: TokenScope, device_id: str) -> Device:
        """The device, if it is in scope. Raises NotFound otherwise, as for a device that does not exist."""
        device = await self._store.devices.get(project_id, device_id)
        groups = await self._store.device_groups.list_of_device(device.number) if scope.groups else []
        if not scope.holds(device.id, device.type_id, [group_id for group_id, _ in groups]):
            raise NotFound("no_such_device")
        return device

    def left_ms(self, claims: ScopedClaims) -> int:
        """For how long a token is valid, in ms."""
        return max(0, claims.expires_at - self._clock.now_ms())

    async def _verified(self, token: str) -> ScopedClaims:
        encoded = token.removeprefix(SCOPED_TOKEN_PREFIX)
        if encoded == token or len(token) > SCOPED_TOKEN_BYTES:
            raise NotAuthenticated("token_invalid")
        raw = bytes_of(encoded)
        signed, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not hmac.compare_digest(mac, await self._tokens.mac(_LABEL + signed)):
            raise NotAuthenticated("token_invalid")
        try:
            return self._decode(signed)
        except msgspec.DecodeError:  # signed by us, in the format of another release
            raise NotAuthenticated("token_invalid") from None

    async def _is_backed(self, claims: ScopedClaims) -> bool:
        """Whether those who issued a token still exist, unchanged, and might issue it now."""
        role = None
        if claims.app_id:
            application = await self._store.accounts.find_application(claims.app_id)
            if application is None or application.token_epoch != claims.app_epoch:
                return False
            role = application.role
        if claims.admin_id is not None:
            administrator = await self._store.accounts.find_administrator(claims.admin_id)
            if administrator is None or administrator.token_epoch != claims.admin_epoch:
                return False
            role = administrator.role
        return role is not None and allows(role, OPERATOR)

    async def _check(self, project_id: str, scope: TokenScope) -> None:
        errors: list[FieldError] = []
        if not (scope.devices or scope.types or scope.groups):
            errors.append(FieldError.of("devices", "scope_without_devices"))
        if not (scope.topics or scope.reads):
            errors.append(FieldError.of("topics", "scope_without_rights"))
        for number, device_id in enumerate(scope.devices):
            try:
                await self._store.devices.get(project_id, device_id)
            except NotFound as exc:
                errors.append(FieldError(f"devices[{number}]", exc.reason))
        for number, type_id in enumerate(scope.types):
            try:
                await self._store.device_types.get(project_id, type_id)
            except NotFound as exc:
                errors.append(FieldError(f"types[{number}]", exc.reason))
        for number, group_id in enumerate(scope.groups):
            try:
                await self._store.device_groups.get(project_id, group_id)
            except NotFound as exc:
                errors.append(FieldError(f"groups[{number}]", exc.reason))
        if errors:
            raise InvalidInput.of(errors)
