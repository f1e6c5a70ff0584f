"""Creates and reads projects."""

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput
from thingstead.model import ids
from thingstead.model.limits import DESCR_LENGTH, Problems, check_keys, check_merged_tags
from thingstead.model.messages import SubscribersRevoked
from thingstead.model.project import Administrator, Application, Project
from thingstead.model.versions import of_version
from thingstead.refusals import Unusable
from thingstead.rules.schedule import zone_named
from thingstead.services.accounts.passwords import Passwords
from thingstead.services.accounts.tokens import hash_secret
from thingstead.storage.base import Store

DAY_MS = 86_400_000
GRACE_MS = 365 * DAY_MS  # the longest grace period of the previous ProjectKey
PASSWORD_ALPHABET = string.ascii_letters + string.digits
PASSWORD_CHARACTERS = 20  # of a generated password: 119 random bits


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """All credentials of a new project. Shown only once; of secrets only hashes are stored."""

    project_id: str
    project_key: str
    app_id: str
    access_key: str
    secret_key: str
    admin_account: str
    admin_password: str
    view_key: str
    view_secret: str


class ProjectService:
    """Operations on projects."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, passwords: Passwords) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._passwords = passwords

    async def create(
        self, name: str = "Thingstead", *, admin_account: str = "admin", admin_password: str | None = None
    ) -> Credentials:
        """Creates a project with an application and an administrator, in one commit.

        Args:
            admin_password: None: generated.
        """
        admin_password = draw_password() if admin_password is None else admin_password
        problems = Problems()
        problems.name(name)
        problems.account(admin_account, "admin_account")
        problems.password(admin_password, "admin_password")
        problems.refuse()
        now = self._clock.now_ms()
        view_secret, secret_key = ids.new_secret(), ids.new_secret()
        project = Project(
            id=ids.new_id(),
            name=name,
            project_key=ids.new_project_key(),
            view_key=ids.new_view_key(),
            view_secret_hash=hash_secret(view_secret),
            create_time=now,
        )
        application = Application(
            id=ids.new_id(),
            project_id=project.id,
            name="API",
            access_key=ids.new_access_key(),
            secret_hash=hash_secret(secret_key),
            create_time=now,
        )
        administrator = Administrator(
            id=ids.new_id(),
            project_id=project.id,
            account=admin_account,
            password_hash=await self._passwords.hash(admin_password),
            create_time=now,
        )
        await self._store.projects.create(project, application, administrator)
        return Credentials(
            project_id=project.id,
            project_key=project.project_key,
            app_id=application.id,
            access_key=application.access_key,
            secret_key=secret_key,
            admin_account=admin_account,
            admin_password=admin_password,
            view_key=project.view_key,
            view_secret=view_secret,
        )

    def now_ms(self) -> int:
        """The instant by which the previous ProjectKey is valid or not."""
        return self._clock.now_ms()

    async def get(self, project_id: str) -> Project:
        """Raises NotFound for an unknown project."""
        return await self._store.projects.get(project_id)

    async def set_timezone(self, project_id: str, timezone: str) -> Project:
        """Sets the time zone of a project. Raises InvalidInput for an unknown zone."""
        return await self.update(project_id, {"timezone": timezone})

    async def update(self, project_id: str, changes: Mapping[str, Any], version: int | None = None) -> Project:
        """Changes at least one of ``name``, ``descr`` and ``timezone``. Raises InvalidInput with the invalid fields."""
        if not changes:
            raise InvalidInput.field("body", "one_member_required", members=["name", "descr", "timezone"])
        problems = Problems()
        if "name" in changes:
            problems.name(changes["name"])
        if "descr" in changes:
            problems.text("descr", changes["descr"], DESCR_LENGTH)
        problems.refuse()
        if "timezone" in changes:
            try:
                zone_named(changes["timezone"])
            except Unusable as exc:
                raise InvalidInput.field("timezone", exc.reason) from None
        await self._store.projects.update(project_id, of_version(changes, version))
        return await self._store.projects.get(project_id)

    async def put_tags(self, project_id: str, tags: Mapping[str, str]) -> None:
        """Adds tags, or replaces those with the same key; others stay."""
        project = await self._store.projects.get(project_id)
        check_merged_tags(project.tags, tags)
        await self._store.projects.merge_tags(project_id, tags, ())

    async def remove_tags(self, project_id: str, keys: Sequence[str]) -> None:
        """Removes tags; unknown keys are ignored."""
        check_keys(keys)
        await self._store.projects.merge_tags(project_id, {}, keys)

    async def reset_view_secret(self, project_id: str) -> tuple[str, str]:
        """Replaces the ProjectViewSecret; the old one becomes invalid, and its subscribers are disconnected.

        Returns:
            ProjectViewKey and the new secret, which is shown only once.
        """
        project = await self._store.projects.get(project_id)
        view_secret = ids.new_secret()
        await self._store.projects.update(project_id, {"view_secret_hash": hash_secret(view_secret)})
        self._bus.publish(SubscribersRevoked(project_id, "the ProjectViewSecret was reset"))
        return project.view_key, view_secret

    async def rotate_project_key(self, project_id: str, grace_ms: int) -> Project:
        """Replaces the ProjectKey. The previous one stays valid for the grace period; open connections stay.

        Args:
            grace_ms: 0 to :data:`GRACE_MS`.

        Raises:
            InvalidInput: the grace period is too long.
            Conflict: the key before is still in its grace period, which this rotation would end; only a rotation
                without grace may do that.
        """
        now = self._clock.now_ms()
        if not 0 <= grace_ms <= GRACE_MS:
            raise InvalidInput.field("grace_days", "in_range", minimum=0, maximum=GRACE_MS // DAY_MS)
        project = await self._store.projects.get(project_id)
        if grace_ms and project.previous_project_key is not None and now < project.previous_key_until:
            raise Conflict("project_key_rotated_before")
        changes = {
            "project_key": ids.new_project_key(),
            "previous_project_key": project.project_key if grace_ms else None,
            "previous_key_until": now + grace_ms if grace_ms else 0,
        }
        await self._store.projects.update(project_id, changes)
        return await self._store.projects.get(project_id)

    async def list_all(self) -> list[Project]:
        """Every project of the server, oldest first."""
        return await self._store.projects.list_all()


def draw_password() -> str:
    """A random password of letters and digits."""
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_CHARACTERS))
