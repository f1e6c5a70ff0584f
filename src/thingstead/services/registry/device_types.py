"""Operations on device types and their function definitions."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, FieldError, InvalidInput, Unavailable
from thingstead.model import ids, limits
from thingstead.model.device import Page
from thingstead.model.device_type import ConnProtocol, ConnType, DeviceType, Functions
from thingstead.model.limits import Problems
from thingstead.model.messages import DeviceTypeChanged
from thingstead.model.modbus.table_checks import check_tables
from thingstead.model.modbus.tables import ModbusTables
from thingstead.model.project import Tags
from thingstead.model.values.checking import CompiledFunctions
from thingstead.model.values.definition import check_functions
from thingstead.model.versions import of_version
from thingstead.services.registry.new_device import DRAW_ATTEMPTS
from thingstead.storage.base import Store

DRAWN = frozenset({"id", "type_key"})


class NewDeviceType(msgspec.Struct, frozen=True, kw_only=True):
    """A device type to create."""

    name: str
    descr: str = ""
    tags: Tags = {}
    conn_type: ConnType = "1"
    conn_protocol: ConnProtocol = "1"
    auto_create: bool = False
    functions: Functions = Functions()


class DeviceTypeService:
    """Operations on device types. Changes are committed and published on return."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[DeviceType], int]:
        """One page of the types that contain ``keyword`` in a text, without definitions, and the number of matches."""
        return await self._store.device_types.list_page(project_id, page, keyword)

    async def get(self, project_id: str, type_id: str) -> DeviceType:
        """Raises NotFound for an unknown type."""
        return await self._store.device_types.get(project_id, type_id)

    async def create(self, project_id: str, new: NewDeviceType) -> DeviceType:
        """Creates a type with a new id and TypeKey.

        Raises:
            InvalidInput: names every problem, those of the definition by their path.
            Conflict: the project has reached its limit of types.
        """
        problems = Problems()
        problems.name(new.name)
        problems.descr(new.descr)
        problems.tags(new.tags)
        check_functions(new.functions, problems)
        problems.refuse()
        if await self._store.device_types.count(project_id) >= limits.TYPES_COUNT:
            raise Conflict("too_many_device_types", maximum=limits.TYPES_COUNT)
        for _ in range(DRAW_ATTEMPTS):
            device_type = DeviceType(
                id=ids.new_id(),
                project_id=project_id,
                type_key=ids.new_type_key(),
                create_time=self._clock.now_ms(),
                **msgspec.structs.asdict(new),
            )
            try:
                await self._store.device_types.create(device_type)
            except Conflict as exc:
                if not any(error.field in DRAWN for error in exc.errors):
                    raise
            else:
                return device_type
        raise Unavailable("no_free_id")

    async def update_info(
        self,
        project_id: str,
        type_id: str,
        *,
        name: str | UnsetType = UNSET,
        descr: str | UnsetType = UNSET,
        conn_type: ConnType | UnsetType = UNSET,
        conn_protocol: ConnProtocol | UnsetType = UNSET,
        auto_create: bool | UnsetType = UNSET,
        version: int | None = None,
    ) -> None:
        """Changes the given members.

        Raises:
            InvalidInput: nothing is given, or a text is invalid.
            Conflict: ``conn_type`` cannot be changed because of devices of the type.
        """
        given = {
            "name": name,
            "descr": descr,
            "conn_type": conn_type,
            "conn_protocol": conn_protocol,
            "auto_create": auto_create,
        }
        changes = {key: value for key, value in given.items() if value is not UNSET}
        problems = Problems()
        if name is not UNSET:
            problems.name(name)
        if descr is not UNSET:
            problems.descr(descr)
        problems.refuse()
        present = await self.get(project_id, type_id)
        if not changes:
            raise InvalidInput("give_one_of", members=", ".join(given))
        if conn_type not in (UNSET, present.conn_type) and present.device_count:
            raise Conflict.field("conn_type", "type_in_use", count=present.device_count)
        await self._update(project_id, type_id, of_version(changes, version))

    async def put_functions(
        self, project_id: str, type_id: str, functions: Functions, version: int | None = None
    ) -> None:
        """Replaces the whole function definition. Stored values stay unchanged."""
        problems = Problems()
        check_functions(functions, problems)
        problems.refuse()
        await self.get(project_id, type_id)
        await self._update(project_id, type_id, of_version({"functions": functions}, version))

    async def try_processing(
        self, project_id: str, tested: Functions | str, attributes: dict[str, Any]
    ) -> tuple[dict[str, Any], list[FieldError]]:
        """What a report would be stored as with a definition, new or of a type (its id), and what would be refused of
        it. Current values are not used.

        Raises:
            NotFound, InvalidInput: an argument is unknown or invalid.
        """
        if isinstance(tested, str):
            functions = (await self.get(project_id, tested)).functions
        else:
            functions = tested
            problems = Problems()
            check_functions(functions, problems)
            problems.refuse()
        compiled = CompiledFunctions(functions)
        values = dict(attributes)
        refused = [] if compiled.processing is None else compiled.processing.apply(values, None)
        return values, [*refused, *compiled.check(values, "report")]

    async def put_modbus(
        self, project_id: str, type_id: str, tables: ModbusTables, version: int | None = None
    ) -> DeviceType:
        """Replaces all tables of Modbus registers; returns the type with them.

        Raises:
            InvalidInput: names every problem by its path.
            Conflict: the type has another version.
        """
        present = await self.get(project_id, type_id)
        problems = Problems()
        check_tables(tables, present.functions, problems)
        problems.refuse()
        await self._update(project_id, type_id, of_version({"modbus": tables}, version))
        return await self.get(project_id, type_id)

    async def _update(self, project_id: str, type_id: str, changes: Mapping[str, Any]) -> None:
        await self._store.device_types.update(project_id, type_id, changes)
        self._bus.publish(DeviceTypeChanged(project_id, type_id))

    async def put_tags(self, project_id: str, type_id: str, tags: Tags) -> None:
        """Adds tags, or replaces those with the same key."""
        device_type = await self.get(project_id, type_id)
        limits.check_merged_tags(device_type.tags, tags)
        await self._store.device_types.merge_tags(project_id, type_id, tags, ())

    async def remove_tags(self, project_id: str, type_id: str, keys: Sequence[str]) -> None:
        """Removes tags; unknown keys are ignored."""
        limits.check_keys(keys)
        await self.get(project_id, type_id)
        await self._store.device_types.merge_tags(project_id, type_id, {}, keys)

    async def delete(self, project_id: str, type_id: str) -> None:
        """Removes a type.

        Raises:
            Conflict: it has devices.
        """
        await self.get(project_id, type_id)
        await self._store.device_types.delete(project_id, type_id)
        self._bus.publish(DeviceTypeChanged(project_id, type_id))
