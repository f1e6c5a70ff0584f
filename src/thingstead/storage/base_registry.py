"""The contract of a store, registry: projects, accounts, device types, groups, devices, customers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from thingstead.model.browser_session import BrowserSession
from thingstead.model.customer import Customer
from thingstead.model.device import (
    Device,
    DeviceFilter,
    DeviceGroup,
    DevicesAlarmStat,
    DevicesStat,
    DeviceView,
    FacetName,
    FacetValue,
    Page,
)
from thingstead.model.device_type import DeviceType
from thingstead.model.project import Administrator, Application, Project


class ProjectStore(Protocol):
    """Projects, and secrets of the installation."""

    async def create(self, project: Project, application: Application, administrator: Administrator) -> None:
        """Adds a project with its first application and administrator, all or nothing."""
        ...

    async def get(self, project_id: str) -> Project: ...

    async def find_by_view_key(self, view_key: str) -> Project | None: ...

    async def find_by_project_key(self, project_key: str) -> Project | None:
        """The project that has this key, or had it before its last rotation, however long ago."""
        ...

    async def list_all(self) -> list[Project]:
        """Every project, oldest first."""
        ...

    async def count(self) -> int:
        """How many projects there are."""
        ...

    async def update(self, project_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(self, project_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts, in one step: two callers never lose each other's tags."""
        ...

    async def server_secret(self, name: str) -> bytes:
        """A random secret of 32 bytes that all nodes share; made and committed when first asked for."""
        ...

    async def renew_token_secret(self) -> None:
        """Replaces the server secret ``token`` and ends every browser session of every project, in one transaction."""
        ...


class AccountStore(Protocol):
    """Applications and administrators: who may call the Project API."""

    async def create_application(self, application: Application) -> None: ...

    async def find_application(self, app_id: str) -> Application | None:
        """By AppID, which is unique in the server. On the path of every request: must be fast."""
        ...

    async def list_applications(self, project_id: str) -> list[Application]:
        """Oldest first."""
        ...

    async def update_application(self, project_id: str, app_id: str, changes: Mapping[str, Any]) -> None: ...

    async def delete_application(self, project_id: str, app_id: str) -> None:
        """Refuses, with Conflict, to remove the project's last one."""
        ...

    async def create_administrator(self, administrator: Administrator) -> None:
        """Conflict on an ``account`` that looks the same as another one of the project
        (:func:`~thingstead.model.values.unicode_text.account_key`)."""
        ...

    async def find_administrator(self, admin_id: str) -> Administrator | None:
        """By id. On the path of every request with an administrator's token: must be fast."""
        ...

    async def find_administrator_by_account(self, project_id: str, account: str) -> Administrator | None:
        """The one with this account, else the only one whose account looks the same."""
        ...

    async def list_administrators_by_account(self, account: str, limit: int) -> list[Administrator]:
        """Those of all projects whose account is this one, as :meth:`find_administrator_by_account` finds it: at most
        one of a project, those who logged in last first."""
        ...

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        """Oldest first."""
        ...

    async def update_administrator(
        self, project_id: str, admin_id: str, changes: Mapping[str, Any], *, ends_sessions_but: str | None = None
    ) -> list[str]:
        """Refuses, with Conflict, to take the role ``admin`` from the project's last one who has it.

        Args:
            ends_sessions_but: the administrator's browser sessions end in the same commit, but for the one of this id;
                None: they stay.

        Returns:
            The ids of the browser sessions that ended.
        """
        ...

    def note_log_in(self, admin_id: str, at: int) -> None:
        """Notes when an administrator logged in (ms), without waiting; where that cannot be kept it is lost."""
        ...

    async def delete_administrator(self, project_id: str, admin_id: str) -> list[str]:
        """Refuses, with Conflict, to remove the project's last one with the role ``admin``. Returns the ids of the
        browser sessions that ended with it."""
        ...


class BrowserSessionStore(Protocol):
    """Sessions of administrators in browsers."""

    async def begin(self, session: BrowserSession, *, replaces: str = "") -> list[str]:
        """Adds a session and notes when its administrator logged in; NotFound where that is gone.

        In the same commit these end: the session of the same administrator that it ``replaces``, those that have
        expired, of the administrator those beyond ADMINISTRATOR_SESSIONS_COUNT that were seen the longest ago, and
        beyond BROWSER_SESSIONS_COUNT the one that was seen the longest ago of the project that has most of them.

        Returns:
            The ids of those that ended.
        """
        ...

    async def find(self, secret_hash: bytes) -> BrowserSession | None:
        """Expired or not. On the path of every request with a session: must be fast."""
        ...

    async def list_of_administrator(self, project_id: str, admin_id: str) -> list[BrowserSession]:
        """Newest first."""
        ...

    def touch(self, session: BrowserSession, last_seen_at: int, expires_at: int, remote_address: str) -> None:
        """Notes that a session is in use, without waiting; where that cannot be kept it is lost. A session that has
        ended stays ended."""
        ...

    async def end(self, project_id: str, admin_id: str, session_id: str) -> None:
        """NotFound where the administrator has no such session."""
        ...

    def count(self) -> int:
        """How many there are, of all projects, those included that have expired and are not removed yet."""
        ...


class DeviceTypeStore(Protocol):
    """Device types. ``device_count`` is filled on every read."""

    async def count_self_created(self, project_id: str) -> int:
        """How many devices are of types that let devices create themselves."""
        ...

    async def create(self, device_type: DeviceType) -> None: ...

    async def get(self, project_id: str, type_id: str) -> DeviceType: ...

    async def find_by_type_key(self, project_id: str, type_key: str) -> DeviceType | None: ...

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[DeviceType], int]:
        """One page, in its order, without their definitions, of those that have ``keyword`` in a text; and how many
        these are in all."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def conn_types(self, project_id: str, type_ids: Collection[str]) -> dict[str, str]:
        """The ``conn_type`` by id of those of these types that the project has."""
        ...

    async def update(self, project_id: str, type_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(self, project_id: str, type_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts, in one step: two callers never lose each other's tags."""
        ...

    async def delete(self, project_id: str, type_id: str) -> None:
        """Refuses, with Conflict, a type that still has devices."""
        ...


class DeviceGroupStore(Protocol):
    """The forest of device groups and who stands in them."""

    async def create(self, group: DeviceGroup) -> None: ...

    async def get(self, project_id: str, group_id: str) -> DeviceGroup: ...

    async def list_all(self, project_id: str) -> list[DeviceGroup]:
        """All groups of the project, oldest first; the tree is in ``parent_id``."""
        ...

    async def count_members(self, project_id: str) -> dict[str, tuple[int, int]]:
        """Of each group that has any, by id: the number of its devices, and that of the devices in it or in a group
        below, each counted once."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def known(self, project_id: str, group_ids: Collection[str]) -> set[str]:
        """Those of these groups that the project has."""
        ...

    async def depth(self, project_id: str, group_id: str) -> int:
        """On which level of the tree a group stands, 1 at the root; 0 where the project has no such group."""
        ...

    async def height(self, project_id: str, group_id: str) -> int:
        """How many levels a group spans, itself counted; 0 where the project has no such group."""
        ...

    async def list_of_device(self, device_number: int) -> list[tuple[str, str]]:
        """Id and name of each group in which a device stands, oldest first."""
        ...

    async def update(self, project_id: str, group_id: str, changes: Mapping[str, Any]) -> None:
        """Refuses, with InvalidInput on ``parent``, a parent that lies below the group itself."""
        ...

    async def merge_tags(self, project_id: str, group_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts, in one step: two callers never lose each other's tags."""
        ...

    async def delete(self, project_id: str, group_id: str) -> None:
        """Removes the group; refuses, with Conflict, one that still has child groups. Devices stay. They leave the
        group some thousand a step, after the last of which it goes."""
        ...

    async def add_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        """All or nothing; a device that is in already stays in."""
        ...

    async def remove_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None: ...


class DeviceStore(Protocol):
    """The registry of devices."""

    async def create(self, device: Device) -> Device:
        """Returns the device with its ``number``. Conflict on ``device_key``; InvalidInput on ``type``."""
        ...

    async def create_many(self, devices: Sequence[Device]) -> list[Device | Exception]:
        """Adds what can be added, in one commit; an answer for each row, in order: the device as kept, or the
        Conflict or InvalidInput that :meth:`create` would raise."""
        ...

    def count_all(self) -> int:
        """How many devices all projects have."""
        ...

    async def get(self, project_id: str, device_id: str) -> Device: ...

    async def find_by_access_token(self, access_token: str) -> Device | None:
        """On the path of every log-in."""
        ...

    async def find_by_device_key(self, project_id: str, device_key: str) -> Device | None: ...

    async def find_by_sub_address(self, gateway_id: str, sub_address: str) -> Device | None: ...

    async def find(self, device_id: str) -> Device | None:
        """By id, in any project: for whoever heard of a device on the bus."""
        ...

    async def find_by_number(self, number: int) -> Device | None:
        """By the compact key that reports carry."""
        ...

    async def get_view(self, project_id: str, device_id: str) -> DeviceView: ...

    async def list_views(
        self, project_id: str, device_filter: DeviceFilter, page: Page, attributes: Sequence[str] = ()
    ) -> tuple[list[DeviceView], int]:
        """One page, in the order of the page (ties by id), and the number of devices that match. ``attributes``: whose
        current values the views have."""
        ...

    async def facets(
        self, project_id: str, device_filter: DeviceFilter, wanted: Sequence[tuple[FacetName, str]]
    ) -> list[list[FacetValue]]:
        """Of each facet its values among the devices that match, but for the filter by the same thing, those that most
        devices have first. A facet is a name and, of ``tag``, the key whose values are wanted (``""``: the keys)."""
        ...

    async def update(self, project_id: str, device_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(
        self, project_id: str, device_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None: ...

    async def bind_customer(self, project_id: str, customer_id: str, device_ids: Sequence[str], *, bind: bool) -> None:
        """All or nothing. Binding moves a device from another customer; unbinding passes over devices that are
        not this customer's."""
        ...

    async def delete(self, project_id: str, device_id: str) -> None:
        """Removes the device with its state, history, logs and memberships. Conflict while it is a gateway that
        still has sub-devices. What is more than a little of history, events, commands, alarms and notices, which
        nobody can reach any more, is dropped later, by :meth:`RetentionStore.drop_removed`."""
        ...

    async def stat(self, project_id: str, active_since: int) -> DevicesStat:
        """``active_since``: ms; a device whose newest uplink is not older counts as active."""
        ...

    async def alarm_stat(self, project_id: str) -> DevicesAlarmStat: ...


class CustomerStore(Protocol):
    """End users. ``device_count`` is filled on every read."""

    async def create(self, customer: Customer) -> None:
        """Conflict on an ``account`` that looks the same as another one of the project."""
        ...

    async def get(self, project_id: str, customer_id: str) -> Customer: ...

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[Customer], int]:
        """One page, in its order, of those that have ``keyword`` in a text; and how many these are in all."""
        ...

    async def update(self, project_id: str, customer_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(
        self, project_id: str, customer_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None: ...

    async def delete(self, project_id: str, customer_id: str) -> None:
        """Devices bound to the customer stay, unbound: some hundred a step, and the customer goes with the last."""
        ...
