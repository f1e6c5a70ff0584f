"""Issues and verifies AccessTokens of the Project API.

A token is ``base64url(claims || HMAC-SHA256(secret, claims))`` without padding; the claims are a msgpack array. Tokens
are not stored. Every request looks up the rows of the application and the administrator: they must exist, with the
epoch in the token, so that a removal or a reset invalidates tokens at once, on every node.
"""

import hashlib
import hmac
from typing import NamedTuple

import msgspec

from thingstead.clock import Clock
from thingstead.config import AccountSettings
from thingstead.errors import NotAuthenticated, TooManyRequests
from thingstead.model.project import Administrator, Application
from thingstead.model.roles import VIEWER, Role
from thingstead.model.token_scope import TokenScope
from thingstead.model.values.unicode_text import account_key
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.accounts.passwords import Passwords
from thingstead.services.accounts.token_text import bytes_of, text_of
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store

MAC_BYTES = 32
TOKEN_LENGTH_LIMIT = 512
VERIFIED_LIMIT = 10_000  # cached tokens with a verified signature; the least recently used is dropped


class Caller(NamedTuple):
    """A caller of the Project API: an application, or an administrator who logged in through one."""

    project_id: str
    app_id: str  # empty for an administrator with a browser session
    admin_id: str | None = None  # None for an application's own token
    role: Role = VIEWER
    session_id: str = ""  # of the browser session
    operator: bool = False  # the operator of the server, through the local socket of the data folder
    scope: TokenScope | None = None  # of a scoped token: what it opens, and nothing else

    @property
    def tenant(self) -> str:
        """Whose share of limited resources a request uses: the project's, or that of all its scoped tokens, which are
        in strange hands."""
        return self.project_id if self.scope is None else f"{self.project_id}/scoped"


NOBODY = Caller("", "")  # caller of a public endpoint


class _Subject(NamedTuple):
    """The application or administrator that a token identifies."""

    project_id: str
    app_id: str
    admin_id: str | None = None


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    subject: _Subject
    app_epoch: int
    admin_epoch: int
    expires_at: int  # ms


class TokenService:
    """Issues tokens to applications and administrators, and authenticates requests."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        passwords: Passwords,
        settings: AccountSettings | None = None,
        log_ins: LogIns | None = None,
    ) -> None:
        settings = settings or AccountSettings()
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._settings = settings
        self._log_ins = log_ins or LogIns(clock, settings)
        self._secret = b""
        self._verified: Lru[str, _Claims] = Lru(VERIFIED_LIMIT)
        self._decode = msgspec.msgpack.Decoder(_Claims).decode

    @property
    def remembered(self) -> int:
        """Number of cached tokens."""
        return len(self._verified)

    async def log_in_application(self, app_id: str, access_key: str, secret_key: str, remote_address: str) -> str:
        """Issues a token for the three keys of an application (``access_token``).

        Raises:
            NotAuthenticated: a key is wrong; the message does not say which.
            TooManyRequests: a key is wrong, after too many failures from this address. Right keys are never throttled:
                they cannot be guessed, and throttling would let anyone lock out an application.
        """
        application = await self._store.accounts.find_application(app_id)
        known = application or _NO_APPLICATION
        same_key = hmac.compare_digest(known.access_key.encode(), access_key.encode())
        same_secret = hmac.compare_digest(known.secret_hash, hash_secret(secret_key))
        if application is None or not (same_key and same_secret):
            self._log_ins.applications.failed(remote_address, "" if application is None else application.id)
            raise NotAuthenticated("app_login_failed")
        return await self._issue(application, None)

    async def log_in_administrator(self, app_id: str, account: str, password: str, remote_address: str) -> str:
        """Issues a token for the password of an administrator (``admin_login``), through an application of the project.

        Raises:
            NotAuthenticated: application, account or password is wrong; the message does not say which.
            TooManyRequests: too many failures of this account from this address; or, unless it logged in from this
                address before, too many failures from the address or of the account.
        """
        application = await self._store.accounts.find_application(app_id)
        subject = f"{application.project_id if application else app_id}\0{account_key(account)}"
        attempt = self._log_ins.administrators.begin(subject, remote_address)
        administrator = None
        if application is not None:
            project_id = application.project_id
            administrator = await self._store.accounts.find_administrator_by_account(project_id, account)
        password_hash = administrator.password_hash if administrator else None
        try:
            right = await self._passwords.verify(password_hash, password, known=attempt.known)
        except TooManyRequests:
            attempt.take_back()
            raise
        if application is None or administrator is None or not right:
            # The text of an unknown account is not logged: people type passwords there.
            attempt.failed(f"{administrator.project_id}/{account}" if administrator else "")
            raise NotAuthenticated("admin_login_failed")
        attempt.succeeded()
        self._store.accounts.note_log_in(administrator.id, self._clock.now_ms())
        return await self._issue(application, administrator)

    async def renew_secret(self) -> None:
        """Replaces the secret that signs tokens: all tokens and browser sessions of all projects become invalid, in one
        commit. Another node uses the old secret until it restarts."""
        await self._store.projects.renew_token_secret()
        self._secret = b""
        self._verified.clear()

    async def authenticate(self, token: str) -> Caller:
        """The caller that a token identifies. Raises NotAuthenticated if the token is invalid."""
        claims = self._verified.get(token)
        if claims is None:
            claims = await self._verify(token)
        else:
            self._verified.move_to_end(token)
        if claims.expires_at <= self._clock.now_ms():
            raise NotAuthenticated("token_invalid")
        subject = claims.subject
        application = await self._store.accounts.find_application(subject.app_id)
        if application is None or application.token_epoch != claims.app_epoch:
            raise NotAuthenticated("token_invalid")
        role = application.role
        if subject.admin_id is not None:
            administrator = await self._store.accounts.find_administrator(subject.admin_id)
            if administrator is None or administrator.token_epoch != claims.admin_epoch:
                raise NotAuthenticated("token_invalid")
            role = administrator.role
        return Caller(*subject, role)

    async def _issue(self, application: Application, administrator: Administrator | None) -> str:
        life_s = self._settings.admin_token_life_s if administrator else self._settings.access_token_life_s
        claims = _Claims(
            subject=_Subject(application.project_id, application.id, administrator.id if administrator else None),
            app_epoch=application.token_epoch,
            admin_epoch=administrator.token_epoch if administrator else 0,
            expires_at=self._clock.now_ms() + life_s * 1000,
        )
        signed = msgspec.msgpack.encode(claims)
        return text_of(signed + await self.mac(signed))

    async def _verify(self, token: str) -> _Claims:
        if len(token) > TOKEN_LENGTH_LIMIT:
            raise NotAuthenticated("token_invalid")
        raw = bytes_of(token)
        signed, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not hmac.compare_digest(mac, await self.mac(signed)):
            raise NotAuthenticated("token_invalid")
        try:
            claims = self._decode(signed)
        except msgspec.DecodeError:  # signed by us, in the format of another release
            raise NotAuthenticated("token_invalid") from None
        self._verified.put(token, claims)
        return claims

    async def mac(self, signed: bytes) -> bytes:
        """The HMAC-SHA256 of bytes with the secret that signs tokens."""
        if not self._secret:
            self._secret = await self._store.projects.server_secret("token")
        return hmac.digest(self._secret, signed, "sha256")


def hash_secret(secret: str) -> bytes:
    """The stored form of a random secret: its SHA-256. A slow hash is not needed, because it has 238 random bits."""
    return hashlib.sha256(secret.encode()).digest()


_NO_APPLICATION = Application(
    id="", project_id="", name="", access_key="-" * 20, secret_hash=bytes(MAC_BYTES), create_time=0
)
