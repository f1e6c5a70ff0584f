"""Sessions of administrators in browsers: log-in with account and password alone, and session cookies.

The cookie contains a secret of 256 random bits, of which the store has the SHA-256. Every request looks up the session
and its administrator, so that the end of either takes effect at once, on every node.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import AccountSettings
from thingstead.errors import Conflict, NotAuthenticated, NotFound, TooManyRequests
from thingstead.model import ids
from thingstead.model.audit.log import Author
from thingstead.model.browser_session import BrowserSession
from thingstead.model.limits import USER_AGENT_LENGTH
from thingstead.model.messages import BrowserSessionsEnded
from thingstead.model.project import Administrator
from thingstead.model.values.unicode_text import account_key
from thingstead.services.accounts.log_ins import LogInAttempt, LogIns
from thingstead.services.accounts.passwords import Passwords
from thingstead.services.audit.audit import acting
from thingstead.storage.base import Store

COOKIE = "thingstead_"  # name of the cookie; the id of the installation follows
SECRET_BYTES = 32
SECRET_CHARACTERS = 43  # the secret in base64url
INSTALLATION_CHARACTERS = 12  # of the hash of the installation's secret that is in the name of the cookie
ADDRESS_CHARACTERS = 64
PROJECTS_TRIED_COUNT = 8  # projects tried for a log-in that names none
SEEN_INTERVAL_MS = 60_000  # interval at which the use of a session is recorded


class Browser(NamedTuple):
    """The browser that requests a session."""

    remote_address: str
    user_agent: str = ""
    secret: str = ""  # of its previous session


class Person(NamedTuple):
    """An administrator with a session."""

    session: BrowserSession
    administrator: Administrator


class LoggedIn(NamedTuple):
    """A new session with its secret, which is not stored."""

    person: Person
    secret: str


class BrowserSessionService:
    """Creates, finds, lists and ends browser sessions."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        passwords: Passwords,
        settings: AccountSettings | None = None,
        log_ins: LogIns | None = None,
    ) -> None:
        settings = settings or AccountSettings()
        self._store = store
        self._bus = bus
        self._clock = clock
        self._passwords = passwords
        self._log_ins = log_ins or LogIns(clock, settings)
        self._idle_ms = settings.session_idle_s * 1000
        self._life_ms = settings.session_life_s * 1000
        self._kept_life_ms = settings.session_kept_life_s * 1000
        self._installation = ""

    async def cookie_name(self, *, secure: bool) -> str:
        """The name of the session cookie. Servers on other ports of a host share its cookies, so each installation uses
        its own name; browsers accept ``__Host-`` only over TLS and only from this host."""
        if not self._installation:
            secret = await self._store.projects.server_secret("installation")
            self._installation = hashlib.sha256(secret).hexdigest()[:INSTALLATION_CHARACTERS]
        return f"{'__Host-' if secure else ''}{COOKIE}{self._installation}"

    async def has_single_project(self) -> bool:
        """Whether a log-in need not name a project, because there is only one."""
        return await self._store.projects.count() == 1

    # Log-in

    async def log_in(
        self, account: str, password: str, browser: Browser, *, project_id: str | None = None, keep: bool = False
    ) -> LoggedIn:
        """Creates a session; the browser's previous session ends.

        Args:
            project_id: None: any project in which account and password are right; if there are more than
                PROJECTS_TRIED_COUNT, only those whose administrator logged in most recently.

        Raises:
            NotAuthenticated: account, password or project is wrong; the message does not say which.
            Conflict: they are right in several projects; ``info`` lists these.
            TooManyRequests: as with :meth:`~thingstead.services.accounts.tokens.TokenService.log_in_administrator`.
        """
        administrators = self._log_ins.administrators
        project_id = project_id or await self._only_project()
        attempt = administrators.begin(f"{project_id or ''}\0{account_key(account)}", browser.remote_address)
        candidates = await self._candidates(account, project_id)
        right = await self._verified(candidates, password, attempt)
        if not right:
            known = next((each for each in candidates if each is not None), None)
            # The text of an unknown account is not logged: people type passwords there.
            attempt.failed(f"{known.project_id}/{account}" if known else "")
            raise NotAuthenticated("login_failed")
        attempt.succeeded()
        if len(right) > 1:
            raise await self._several(right)
        return await self._begin(right[0], browser, keep=keep)

    async def _only_project(self) -> str | None:
        if not await self.has_single_project():
            return None
        return (await self._store.projects.list_all())[0].id

    async def _candidates(self, account: str, project_id: str | None) -> Sequence[Administrator | None]:
        """Administrators whose password to check. As many whether or not the account exists, because each check takes
        time."""
        accounts = self._store.accounts
        if project_id is not None:
            return [await accounts.find_administrator_by_account(project_id, account)]
        count = min(await self._store.projects.count(), PROJECTS_TRIED_COUNT)
        found = await accounts.list_administrators_by_account(account, count)
        return [*found, *[None] * (count - len(found))]

    async def _verified(
        self, candidates: Sequence[Administrator | None], password: str, attempt: LogInAttempt
    ) -> list[Administrator]:
        """The administrators whose password is right."""
        right = []
        try:
            for candidate in candidates:
                password_hash = candidate.password_hash if candidate else None
                if await self._passwords.verify(password_hash, password, known=attempt.known) and candidate:
                    right.append(candidate)
        except TooManyRequests:
            attempt.take_back()
            raise
        return right

    async def _several(self, administrators: Sequence[Administrator]) -> Conflict:
        projects = [await self._store.projects.get(each.project_id) for each in administrators]
        named = [{"id": project.id, "name": project.name} for project in sorted(projects, key=lambda each: each.name)]
        return Conflict("login_in_several_projects", info={"projects": named})

    async def _begin(self, administrator: Administrator, browser: Browser, *, keep: bool) -> LoggedIn:
        before = await self._store.browser_sessions.find(_hash(browser.secret)) if browser.secret else None
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = self._clock.now_ms()
        session = BrowserSession(
            id=ids.new_id(),
            secret_hash=_hash(secret),
            project_id=administrator.project_id,
            admin_id=administrator.id,
            keep=keep,
            remote_address=browser.remote_address[:ADDRESS_CHARACTERS],
            user_agent=_shown(browser.user_agent),
            created_at=now,
            last_seen_at=now,
            expires_at=self._expiry(now, now, keep=keep),
        )
        author = Author(
            kind="admin",
            project_id=administrator.project_id,
            id=administrator.id,
            address=session.remote_address,
            at=session.created_at,
        )
        with acting(author):
            ended = await self._store.browser_sessions.begin(session, replaces=before.id if before else "")
        self._tell(ended, "another log-in took its place")
        return LoggedIn(Person(session, administrator), secret)

    def _expiry(self, created_at: int, seen_at: int, *, keep: bool) -> int:
        if keep:
            return created_at + self._kept_life_ms
        return min(seen_at + self._idle_ms, created_at + self._life_ms)

    # Sessions that have begun

    async def authenticate(self, secret: str, remote_address: str = "") -> Person:
        """The administrator whose session has this secret; records the use of the session.

        Args:
            remote_address: of the request; empty: a subscription, which does not count as use.

        Raises:
            NotAuthenticated: no session has this secret, or it has expired.
        """
        if len(secret) != SECRET_CHARACTERS:
            raise NotAuthenticated("session_invalid")
        return await self._person(_hash(secret), remote_address)

    async def left_s(self, session: BrowserSession) -> float:
        """Seconds until a session expires without another request; 0: it has ended."""
        try:
            found, _ = await self._person(session.secret_hash)
        except NotAuthenticated:
            return 0.0
        return (found.expires_at - self._clock.now_ms()) / 1000

    async def _person(self, secret_hash: bytes, remote_address: str = "") -> Person:
        session = await self._store.browser_sessions.find(secret_hash)
        now = self._clock.now_ms()
        if session is None or session.expires_at <= now:
            raise NotAuthenticated("session_invalid")
        administrator = await self._store.accounts.find_administrator(session.admin_id)
        if administrator is None:
            raise NotAuthenticated("session_invalid")
        if remote_address and now - session.last_seen_at >= SEEN_INTERVAL_MS:
            expires_at = self._expiry(session.created_at, now, keep=session.keep)
            address = remote_address[:ADDRESS_CHARACTERS]
            self._store.browser_sessions.touch(session, now, expires_at, address)
        return Person(session, administrator)

    async def list_sessions(self, project_id: str, admin_id: str) -> list[BrowserSession]:
        """Sessions of an administrator that have not expired, newest first."""
        now = self._clock.now_ms()
        sessions = await self._store.browser_sessions.list_of_administrator(project_id, admin_id)
        return [session for session in sessions if session.expires_at > now]

    async def end(self, project_id: str, admin_id: str, session_id: str) -> None:
        """Ends a session of an administrator. Raises NotFound if there is none."""
        await self._store.browser_sessions.end(project_id, admin_id, session_id)
        self._tell([session_id], "the session was ended")

    async def log_out(self, project_id: str, admin_id: str, session_id: str) -> None:
        """Ends a session; no error if it has already ended."""
        try:
            await self.end(project_id, admin_id, session_id)
        except NotFound:
            pass

    def _tell(self, session_ids: Sequence[str], reason: str) -> None:
        if session_ids:
            self._bus.publish(BrowserSessionsEnded(list(session_ids), reason))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _shown(user_agent: str) -> str:
    """The name of a browser for display: printable and truncated."""
    return "".join(character for character in user_agent if character.isprintable())[:USER_AGENT_LENGTH]
