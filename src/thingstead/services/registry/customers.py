"""Operations on end users of a project and the devices bound to them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import InvalidInput, NotFound
from thingstead.model import ids, limits
from thingstead.model.customer import Customer
from thingstead.model.device import Device, Page
from thingstead.model.limits import Problems
from thingstead.model.messages import DeviceChanged
from thingstead.model.project import Tags
from thingstead.model.versions import of_version
from thingstead.services.accounts.passwords import Passwords
from thingstead.storage.base import Store


class NewCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer to create."""

    name: str
    account: str
    password: str
    descr: str = ""
    email: str = ""
    mobile: str = ""
    tags: Tags = {}


class CustomerChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a customer; unset members stay unchanged."""

    name: str | UnsetType = UNSET
    descr: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    mobile: str | UnsetType = UNSET


class CustomerService:
    """Operations on customers. Raises NotFound if the customer does not exist in the project."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, passwords: Passwords) -> None:
        self._customers = store.customers
        self._devices = store.devices
        self._bus = bus
        self._clock = clock
        self._passwords = passwords

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[Customer], int]:
        """One page of the customers that contain ``keyword`` in a text, and the number of matches."""
        return await self._customers.list_page(project_id, page, keyword)

    async def get(self, project_id: str, customer_id: str) -> Customer:
        """Raises NotFound for an unknown customer."""
        return await self._customers.get(project_id, customer_id)

    async def of_device(self, device: Device) -> Customer | None:
        """The customer to whom a device is bound."""
        if device.customer_id is None:
            return None
        try:
            return await self._customers.get(device.project_id, device.customer_id)
        except NotFound:  # removed after the device was read
            return None

    async def create(self, project_id: str, new: NewCustomer) -> Customer:
        """Raises Conflict if ``account`` is not unique in the project."""
        problems = Problems()
        problems.account(new.account)
        problems.password(new.password)
        problems.tags(new.tags)
        _check(msgspec.structs.asdict(new), problems)
        customer = Customer(
            id=ids.new_id(),
            project_id=project_id,
            account=new.account,
            name=new.name,
            password_hash=await self._passwords.hash(new.password),
            descr=new.descr,
            email=new.email,
            mobile=new.mobile,
            tags=new.tags,
            create_time=self._clock.now_ms(),
        )
        await self._customers.create(customer)
        return customer

    async def update(
        self, project_id: str, customer_id: str, wanted: CustomerChanges, version: int | None = None
    ) -> None:
        """Changes the given members. Raises InvalidInput with every invalid field."""
        members = msgspec.structs.asdict(wanted)
        changes = {name: value for name, value in members.items() if value is not UNSET}
        if not changes:
            raise InvalidInput.field("body", "one_member_required", members=["name", "descr", "email", "mobile"])
        _check(changes, Problems())
        await self._customers.update(project_id, customer_id, of_version(changes, version))

    async def set_password(self, project_id: str, customer_id: str, password: str) -> None:
        """Replaces the password of a customer."""
        problems = Problems()
        problems.password(password)
        problems.refuse()
        await self._customers.get(project_id, customer_id)  # before the hash, which is expensive
        await self._customers.update(project_id, customer_id, {"password_hash": await self._passwords.hash(password)})

    async def put_tags(self, project_id: str, customer_id: str, tags: Tags) -> None:
        """Adds tags, or replaces those with the same key; others stay."""
        customer = await self._customers.get(project_id, customer_id)
        limits.check_merged_tags(customer.tags, tags)
        await self._customers.merge_tags(project_id, customer_id, tags, ())

    async def remove_tags(self, project_id: str, customer_id: str, keys: Sequence[str]) -> None:
        """Removes tags; unknown keys are ignored."""
        limits.check_keys(keys)
        await self._customers.merge_tags(project_id, customer_id, {}, keys)

    async def delete(self, project_id: str, customer_id: str) -> None:
        """Removes a customer; its devices are unbound."""
        await self._customers.delete(project_id, customer_id)

    async def bind_devices(self, project_id: str, customer_id: str, device_ids: Sequence[str], *, bind: bool) -> None:
        """Binds all devices to the customer, or unbinds those that are bound to it.

        A device of another customer is moved. All changes are in one transaction.
        """
        problems = Problems()
        problems.count("devices", device_ids, limits.DEVICES_PER_REQUEST, least=1)
        problems.refuse()
        await self._devices.bind_customer(project_id, customer_id, device_ids, bind=bind)
        for device_id in device_ids:
            self._bus.publish(DeviceChanged(device_id))


def _check(members: Mapping[str, Any], problems: Problems) -> None:
    if "name" in members:
        problems.name(members["name"])
    if "descr" in members:
        problems.descr(members["descr"])
    if "email" in members:
        problems.email(members["email"])
    if "mobile" in members:
        problems.mobile(members["mobile"])
    problems.refuse()
