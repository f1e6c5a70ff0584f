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
    """An application with its SecretKey, which is not kept and cannot be shown again."""

    application: Application
    secret_key: str


class AdministratorChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change about an administrator; unset members stay as they are."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET  # replaces them all


class AccountService:
    """The verbs of applications and administrators. Removing or resetting one ends its tokens at once."""

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
        """Oldest first."""
        return await self._accounts.list_applications(project_id)

    async def get_application(self, project_id: str, app_id: str) -> Application:
        application = await self._accounts.find_application(app_id)
        if application is None or application.project_id != project_id:
            raise NotFound("no_such_application")
        return application

    async def create_application(self, project_id: str, name: str, role: Role = ADMIN) -> NewApplication:
        """Raises Conflict where the project has APPLICATIONS_COUNT of them."""
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
        _check_name(name)
        await self._accounts.update_application(project_id, app_id, of_version({"name": name}, version))

    async def set_application_role(self, project_id: str, app_id: str, role: Role) -> None:
        """Counts for the next request of each of its tokens."""
        await self._accounts.update_application(project_id, app_id, {"role": role})

    async def reset_application(self, project_id: str, app_id: str) -> NewApplication:
        """New keys; the old ones and all tokens of the application are void."""
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
        """Raises Conflict for the last one of a project, without which nobody could log in."""
        await self._accounts.delete_application(project_id, app_id)

    # Administrators

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        """Oldest first."""
        return await self._accounts.list_administrators(project_id)

    async def get_administrator(self, project_id: str, admin_id: str) -> Administrator:
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
        """Raises Conflict on a taken ``account``, or where the project has ADMINISTRATORS_COUNT of them."""
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
        members = msgspec.structs.asdict(wanted)
        changes = {name: value for name, value in members.items() if value is not UNSET}
        if not changes:
            raise InvalidInput.field("body", "one_member_required", members=["name", "email", "tags"])
        _check_administrator(changes, Problems())
        await self._accounts.update_administrator(project_id, admin_id, of_version(changes, version))

    async def set_administrator_password(
        self, project_id: str, admin_id: str, password: str, *, session_id: str = ""
    ) -> None:
        """Also ends the administrator's tokens and sessions in browsers, but for the one of ``session_id``."""
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
        """The same by who knows the present password. Raises InvalidInput where it is not that, and TooManyRequests
        where too many were not."""
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
        """Also ends the administrator's tokens and sessions in browsers, but for the one of ``session_id``, and for
        none where that is the role already. Raises Conflict where the last one with the role admin would lose it."""
        administrator = await self.get_administrator(project_id, admin_id)
        if administrator.role == role:
            return
        changes = {"role": role, "token_epoch": self._next_epoch(administrator.token_epoch)}
        ended = await self._accounts.update_administrator(project_id, admin_id, changes, ends_sessions_but=session_id)
        self._tell([*ended, *([session_id] if session_id else [])], "the role was changed")

    async def delete_administrator(self, project_id: str, admin_id: str) -> None:
        """Also ends its sessions in browsers. Raises Conflict for the last one of a project with the role admin."""
        ended = await self._accounts.delete_administrator(project_id, admin_id)
        self._tell(ended, "the administrator was removed")

    def _tell(self, session_ids: list[str], reason: str) -> None:
        if session_ids:
            self._bus.publish(BrowserSessionsEnded(session_ids, reason))

    def _next_epoch(self, epoch: int) -> int:
        """Later than every epoch so far. Follows the clock, so that two resets at once do not draw the same one."""
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
