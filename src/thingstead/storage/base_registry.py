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
        """Adds a project with its first application and administrator in one commit."""
        ...

    async def get(self, project_id: str) -> Project: ...

    async def find_by_view_key(self, view_key: str) -> Project | None:
        """The project with this ProjectViewKey; None if there is none."""
        ...

    async def find_by_project_key(self, project_key: str) -> Project | None:
        """The project with this ProjectKey, whether the present one or the one before its last rotation; None if there
        is none."""
        ...

    async def list_all(self) -> list[Project]:
        """All projects, oldest first."""
        ...

    async def count(self) -> int:
        """Number of projects."""
        ...

    async def update(self, project_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(self, project_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts tags in one commit: concurrent callers do not overwrite each other's tags."""
        ...

    async def server_secret(self, name: str) -> bytes:
        """Random secret of 32 bytes that all nodes share; made and committed on first use."""
        ...

    async def renew_token_secret(self) -> None:
        """Replaces the server secret ``token`` and ends every browser session of every project, in one transaction."""
        ...


class AccountStore(Protocol):
    """Applications and administrators: the accounts of the Project API."""

    async def create_application(self, application: Application) -> None:
        """Adds an application."""
        ...

    async def find_application(self, app_id: str) -> Application | None:
        """An application by AppID, which is unique in the server; None if there is none. Must be fast: every request
        needs it."""
        ...

    async def list_applications(self, project_id: str) -> list[Application]:
        """Applications of a project, oldest first."""
        ...

    async def update_application(self, project_id: str, app_id: str, changes: Mapping[str, Any]) -> None:
        """Changes members of an application, by name. Raises NotFound."""
        ...

    async def delete_application(self, project_id: str, app_id: str) -> None:
        """Deletes an application. Raises Conflict if it is the project's last one."""
        ...

    async def create_administrator(self, administrator: Administrator) -> None:
        """Adds an administrator. Raises Conflict if the project has an account that looks the same
        (:func:`~thingstead.model.values.unicode_text.account_key`)."""
        ...

    async def find_administrator(self, admin_id: str) -> Administrator | None:
        """An administrator by id; None if there is none. Must be fast: every request with an administrator's token
        needs it."""
        ...

    async def find_administrator_by_account(self, project_id: str, account: str) -> Administrator | None:
        """The administrator with exactly this account, else the only one whose account looks the same; None if there is
        none."""
        ...

    async def list_administrators_by_account(self, account: str, limit: int) -> list[Administrator]:
        """Administrators of all projects with this account, as :meth:`find_administrator_by_account` finds it: at most
        one of each project, newest log-in first."""
        ...

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        """Administrators of a project, oldest first."""
        ...

    async def update_administrator(
        self, project_id: str, admin_id: str, changes: Mapping[str, Any], *, ends_sessions_but: str | None = None
    ) -> list[str]:
        """Changes an administrator.

        Args:
            ends_sessions_but: ends the administrator's browser sessions in the same commit, except the one with this
                id; None: ends none.

        Returns:
            The ids of the browser sessions that ended.

        Raises:
            NotFound: no such administrator in the project.
            Conflict: the project would have no administrator with the role ``admin``, or the account is taken.
        """
        ...

    def note_log_in(self, admin_id: str, at: int) -> None:
        """Records a log-in (ms) without waiting; if the commit fails, the record is lost."""
        ...

    async def delete_administrator(self, project_id: str, admin_id: str) -> list[str]:
        """Deletes an administrator.

        Returns:
            The ids of the browser sessions that ended.

        Raises:
            Conflict: it is the project's last one with the role ``admin``.
        """
        ...


class BrowserSessionStore(Protocol):
    """Sessions of administrators in browsers."""

    async def begin(self, session: BrowserSession, *, replaces: str = "") -> list[str]:
        """Adds a session and records the log-in of its administrator. Raises NotFound if the administrator no longer
        exists.

        The same commit ends: the session of the same administrator that it ``replaces``; expired sessions; sessions of
        the administrator beyond ADMINISTRATOR_SESSIONS_COUNT, least recently used first; and over
        BROWSER_SESSIONS_COUNT the least recently used session of the project with the most sessions.

        Returns:
            The ids of the sessions that ended.
        """
        ...

    async def find(self, secret_hash: bytes) -> BrowserSession | None:
        """A session by the hash of its secret, expired or not. Must be fast: every request with a session needs it."""
        ...

    async def list_of_administrator(self, project_id: str, admin_id: str) -> list[BrowserSession]:
        """Sessions of an administrator, newest first."""
        ...

    def touch(self, session: BrowserSession, last_seen_at: int, expires_at: int, remote_address: str) -> None:
        """Records a use of a session without waiting; if the commit fails, the record is lost. Has no effect on a
        session that has ended."""
        ...

    async def end(self, project_id: str, admin_id: str, session_id: str) -> None:
        """Ends a session. Raises NotFound if the administrator has no such session."""
        ...

    async def count(self) -> int:
        """Number of sessions of all projects, including expired ones that are not removed yet."""
        ...


class DeviceTypeStore(Protocol):
    """Device types. Every read fills in ``device_count``."""

    async def count_self_created(self, project_id: str) -> int:
        """Number of devices of types with auto-create."""
        ...

    async def create(self, device_type: DeviceType) -> None: ...

    async def get(self, project_id: str, type_id: str) -> DeviceType: ...

    async def find_by_type_key(self, project_id: str, type_key: str) -> DeviceType | None:
        """The type with this TypeKey; None if there is none."""
        ...

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[DeviceType], int]:
        """One page of types without their function definitions, oldest first, and the total."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def conn_types(self, project_id: str, type_ids: Collection[str]) -> dict[str, str]:
        """``conn_type`` by id, for those of these types that the project has."""
        ...

    async def with_modbus(self) -> list[tuple[str, str]]:
        """Ids of the project and of the type, of all types that have tables of Modbus registers."""
        ...

    async def update(self, project_id: str, type_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(self, project_id: str, type_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts tags in one commit: concurrent callers do not overwrite each other's tags."""
        ...

    async def delete(self, project_id: str, type_id: str) -> None:
        """Deletes a type. Raises Conflict if it still has devices."""
        ...


class DeviceGroupStore(Protocol):
    """Trees of device groups, and their members."""

    async def create(self, group: DeviceGroup) -> None: ...

    async def get(self, project_id: str, group_id: str) -> DeviceGroup: ...

    async def list_all(self, project_id: str) -> list[DeviceGroup]:
        """All groups of a project, oldest first; ``parent_id`` gives the tree."""
        ...

    async def count_members(self, project_id: str) -> dict[str, tuple[int, int]]:
        """Of each group that has any, by id: the number of its devices, and that of the devices in it or in a group
        below, each counted once."""
        ...

    async def count(self, project_id: str) -> int: ...

    async def known(self, project_id: str, group_ids: Collection[str]) -> set[str]:
        """The ids among these that are groups of the project."""
        ...

    async def depth(self, project_id: str, group_id: str) -> int:
        """Level of a group in its tree, 1 for a root; 0 if the project has no such group."""
        ...

    async def height(self, project_id: str, group_id: str) -> int:
        """Number of levels of the subtree of a group, its own included; 0 if the project has no such group."""
        ...

    async def list_of_device(self, device_number: int) -> list[tuple[str, str]]:
        """Id and name of each group of a device, oldest group first."""
        ...

    async def update(self, project_id: str, group_id: str, changes: Mapping[str, Any]) -> None:
        """Changes a group. Raises InvalidInput on ``parent`` if the parent is below the group itself."""
        ...

    async def merge_tags(self, project_id: str, group_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts tags in one commit: concurrent callers do not overwrite each other's tags."""
        ...

    async def delete(self, project_id: str, group_id: str) -> None:
        """Deletes a group; its devices stay. Raises Conflict if it has child groups. Members are removed in steps of
        some thousand, and the group itself with the last step."""
        ...

    async def add_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        """Adds devices to a group, all or none; devices that are members already stay members."""
        ...

    async def remove_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None: ...


class DeviceStore(Protocol):
    """Registry of devices."""

    async def create(self, device: Device) -> Device:
        """Adds a device and returns it with its ``number``. Raises Conflict on ``device_key``; InvalidInput on
        ``type``."""
        ...

    async def create_many(self, devices: Sequence[Device]) -> list[Device | Exception]:
        """Adds devices in one commit, as many as are valid.

        Returns:
            For each row, in order: the stored device, or the Conflict or InvalidInput that :meth:`create` would raise.
        """
        ...

    async def count_all(self) -> int:
        """How many devices all projects have."""
        ...

    async def get(self, project_id: str, device_id: str) -> Device: ...

    async def find_by_access_token(self, access_token: str) -> Device | None:
        """A device by AccessToken; None if there is none. Every log-in needs it."""
        ...

    async def find_by_device_key(self, project_id: str, device_key: str) -> Device | None:
        """The device with this DeviceKey; None if there is none."""
        ...

    async def find_by_sub_address(self, gateway_id: str, sub_address: str) -> Device | None:
        """The sub-device with this address behind a gateway; None if there is none."""
        ...

    async def find(self, device_id: str) -> Device | None:
        """A device by id in any project; for subscribers of the bus."""
        ...

    async def find_by_number(self, number: int) -> Device | None:
        """A device by the compact number that reports carry."""
        ...

    async def get_view(self, project_id: str, device_id: str) -> DeviceView: ...

    async def list_views(
        self, project_id: str, device_filter: DeviceFilter, page: Page, attributes: Sequence[str] = ()
    ) -> tuple[list[DeviceView], int]:
        """One page, in the order of the page (ties by id), and the total.

        Args:
            attributes: identifiers whose current values the views include.
        """
        ...

    async def facets(
        self, project_id: str, device_filter: DeviceFilter, wanted: Sequence[tuple[FacetName, str]]
    ) -> list[list[FacetValue]]:
        """For each facet its values among the matching devices, most frequent first; the filter by the facet itself is
        ignored.

        Args:
            wanted: facet name and, for ``tag``, the key whose values are wanted (``""``: the keys).
        """
        ...

    async def update(self, project_id: str, device_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(
        self, project_id: str, device_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None: ...

    async def bind_customer(self, project_id: str, customer_id: str, device_ids: Sequence[str], *, bind: bool) -> None:
        """Binds devices to a customer, or unbinds them, all or none. Binding moves a device from another customer;
        unbinding ignores devices of other customers."""
        ...

    async def delete(self, project_id: str, device_id: str) -> None:
        """Deletes a device with its state, history, logs and memberships. Larger amounts of history, events, commands,
        alarms and notices are not accessible any more, and are deleted later by :meth:`RetentionStore.drop_removed`.
        Raises Conflict if it is a gateway with sub-devices."""
        ...

    async def stat(self, project_id: str, active_since: int) -> DevicesStat:
        """Numbers of devices. A device is active if its newest uplink is at or after ``active_since`` (ms)."""
        ...

    async def alarm_stat(self, project_id: str) -> DevicesAlarmStat: ...


class CustomerStore(Protocol):
    """End users. Every read fills in ``device_count``."""

    async def create(self, customer: Customer) -> None:
        """Adds a customer. Raises Conflict if the project has an account that looks the same."""
        ...

    async def get(self, project_id: str, customer_id: str) -> Customer: ...

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[Customer], int]:
        """One page of customers, oldest first, and the total."""
        ...

    async def update(self, project_id: str, customer_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(
        self, project_id: str, customer_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None: ...

    async def delete(self, project_id: str, customer_id: str) -> None:
        """Deletes a customer; its devices stay, unbound in steps of some hundred, and the customer goes with the last
        step."""
        ...
