"""Applications and administrators of a project: who may call the Project API."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput, NotFound, TooManyRequests
from thingstead.model import ids, limits
from thingstead.model.limits import Problems
from thingstead.model.messages import BrowserSessionsEnded
from thingstead.model.project import Administrator, Application, Tags
from thingstead.model.roles import ADMIN, Role
from thingstead.model.values.unicode_text import account_key
from thingstead.model.versions import of_version
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.accounts.passwords import Passwords
from thingstead.services.accounts.tokens import hash_secret
from thingstead.storage.base import Store


class NewApplication(NamedTuple):
    """An application with its SecretKey, which is not stored and cannot be shown again."""

    application: Application
    secret_key: str


class AdministratorChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of an administrator; unset members stay unchanged."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET  # replaces all tags


class AccountService:
    """Operations on applications and administrators. Removing or resetting one invalidates its tokens at once."""

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, passwords: Passwords, log_ins: LogIns | None = None
    ) -> None:
        self._accounts = store.accounts
        self._bus = bus
        self._clock = clock
        self._passwords = passwords
        self._log_ins = log_ins or LogIns(clock)

    # Applications

    async def list_applications(self, project_id: str) -> list[Application]:
        """All applications of a project, oldest first."""
        return await self._accounts.list_applications(project_id)

    async def get_application(self, project_id: str, app_id: str) -> Application:
        """Raises NotFound for an unknown application."""
        application = await self._accounts.find_application(app_id)
        if application is None or application.project_id != project_id:
            raise NotFound("no_such_application")
        return application

    async def create_application(self, project_id: str, name: str, role: Role = ADMIN) -> NewApplication:
        """Raises Conflict if the project already has APPLICATIONS_COUNT applications."""
        _check_name(name)
        if len(await self._accounts.list_applications(project_id)) >= limits.APPLICATIONS_COUNT:
            raise Conflict("too_many_applications", maximum=limits.APPLICATIONS_COUNT)
        secret_key = ids.new_secret()
        application = Application(
            id=ids.new_id(),
            project_id=project_id,
            name=name,
            access_key=ids.new_access_key(),
            secret_hash=hash_secret(secret_key),
            create_time=self._clock.now_ms(),
            role=role,
        )
        await self._accounts.create_application(application)
        return NewApplication(application, secret_key)

    async def rename_application(self, project_id: str, app_id: str, name: str, version: int | None = None) -> None:
        """Changes the name of an application."""
        _check_name(name)
        await self._accounts.update_application(project_id, app_id, of_version({"name": name}, version))

    async def set_application_role(self, project_id: str, app_id: str, role: Role) -> None:
        """Sets the role of an application; it takes effect with the next request of each token."""
        await self._accounts.update_application(project_id, app_id, {"role": role})

    async def reset_application(self, project_id: str, app_id: str) -> NewApplication:
        """Replaces the keys; the old keys and all tokens of the application become invalid."""
        application = await self.get_application(project_id, app_id)
        secret_key = ids.new_secret()
        changes = {
            "access_key": ids.new_access_key(),
            "secret_hash": hash_secret(secret_key),
            "token_epoch": self._next_epoch(application.token_epoch),
        }
        await self._accounts.update_application(project_id, app_id, changes)
        return NewApplication(msgspec.structs.replace(application, **changes), secret_key)

    async def delete_application(self, project_id: str, app_id: str) -> None:
        """Removes an application. Raises Conflict for the last one of a project, because nobody could log in without
        it."""
        await self._accounts.delete_application(project_id, app_id)

    # Administrators

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        """All administrators of a project, oldest first."""
        return await self._accounts.list_administrators(project_id)

    async def get_administrator(self, project_id: str, admin_id: str) -> Administrator:
        """Raises NotFound for an unknown administrator."""
        administrator = await self._accounts.find_administrator(admin_id)
        if administrator is None or administrator.project_id != project_id:
            raise NotFound("no_such_administrator")
        return administrator

    async def create_administrator(
        self,
        project_id: str,
        account: str,
        password: str,
        *,
        name: str = "",
        email: str = "",
        tags: Tags | None = None,
        role: Role = ADMIN,
    ) -> Administrator:
        """Raises Conflict if ``account`` is not unique, or the project already has ADMINISTRATORS_COUNT
        administrators."""
        problems = Problems()
        problems.account(account)
        problems.password(password)
        _check_administrator({"name": name, "email": email, "tags": tags or {}}, problems)
        if len(await self._accounts.list_administrators(project_id)) >= limits.ADMINISTRATORS_COUNT:
            raise Conflict("too_many_administrators", maximum=limits.ADMINISTRATORS_COUNT)
        administrator = Administrator(
            id=ids.new_id(),
            project_id=project_id,
            account=account,
            name=name,
            email=email,
            tags=tags or {},
            password_hash=await self._passwords.hash(password),
            create_time=self._clock.now_ms(),
            role=role,
        )
        await self._accounts.create_administrator(administrator)
        return administrator

    async def update_administrator(
        self, project_id: str, admin_id: str, wanted: AdministratorChanges, version: int | None = None
    ) -> None:
        """Changes the given members. Raises InvalidInput with every invalid field."""
        members = msgspec.structs.asdict(wanted)
        changes = {name: value for name, value in members.items() if value is not UNSET}
        if not changes:
            raise InvalidInput.field("body", "one_member_required", members=["name", "email", "tags"])
        _check_administrator(changes, Problems())
        await self._accounts.update_administrator(project_id, admin_id, of_version(changes, version))

    async def set_administrator_password(
        self, project_id: str, admin_id: str, password: str, *, session_id: str = ""
    ) -> None:
        """Sets a password; ends the administrator's tokens and browser sessions, except the session ``session_id``."""
        problems = Problems()
        problems.password(password)
        problems.refuse()
        administrator = await self.get_administrator(project_id, admin_id)
        changes = {
            "password_hash": await self._passwords.hash(password),
            "token_epoch": self._next_epoch(administrator.token_epoch),
        }
        ended = await self._accounts.update_administrator(project_id, admin_id, changes, ends_sessions_but=session_id)
        self._tell(ended, "the password was changed")

    async def change_own_password(
        self,
        project_id: str,
        admin_id: str,
        current_password: str,
        password: str,
        *,
        session_id: str = "",
        remote_address: str = "",
    ) -> None:
        """Sets the password of an administrator who states the current one; ends tokens and sessions in the same way.

        Raises:
            InvalidInput: the current password is wrong.
            TooManyRequests: too many wrong passwords before.
        """
        administrator = await self.get_administrator(project_id, admin_id)
        subject = f"{project_id}\0{account_key(administrator.account)}"
        attempt = self._log_ins.administrators.begin(subject, remote_address)
        try:
            right = await self._passwords.verify(administrator.password_hash, current_password, known=attempt.known)
        except TooManyRequests:
            attempt.take_back()
            raise
        if not right:
            attempt.failed(f"{project_id}/{administrator.account}")
            raise InvalidInput.field("current_password", "password_wrong")
        attempt.succeeded()
        await self.set_administrator_password(project_id, admin_id, password, session_id=session_id)

    async def set_administrator_role(self, project_id: str, admin_id: str, role: Role, *, session_id: str = "") -> None:
        """Sets a role; ends the administrator's tokens and browser sessions, except the session ``session_id``, unless
        the role is unchanged. Raises Conflict if no administrator with the role admin would remain."""
        administrator = await self.get_administrator(project_id, admin_id)
        if administrator.role == role:
            return
        changes = {"role": role, "token_epoch": self._next_epoch(administrator.token_epoch)}
        ended = await self._accounts.update_administrator(project_id, admin_id, changes, ends_sessions_but=session_id)
        self._tell([*ended, *([session_id] if session_id else [])], "the role was changed")

    async def delete_administrator(self, project_id: str, admin_id: str) -> None:
        """Removes an administrator and ends its browser sessions. Raises Conflict for the last one with the role
        admin."""
        ended = await self._accounts.delete_administrator(project_id, admin_id)
        self._tell(ended, "the administrator was removed")

    def _tell(self, session_ids: list[str], reason: str) -> None:
        if session_ids:
            self._bus.publish(BrowserSessionsEnded(session_ids, reason))

    def _next_epoch(self, epoch: int) -> int:
        """An epoch greater than every earlier one. Derived from the clock, so that two resets at once differ."""
        return max(epoch + 1, self._clock.now_ms())


def _check_name(name: str) -> None:
    problems = Problems()
    problems.name(name)
    problems.refuse()


def _check_administrator(members: Mapping[str, Any], problems: Problems) -> None:
    if "name" in members:
        problems.text("name", members["name"], limits.NAME_LENGTH)
    if "email" in members:
        problems.email(members["email"])
    if "tags" in members:
        problems.tags(members["tags"])
    problems.refuse()
