"""The registry where chance or another caller comes in between, and what only services are asked for."""

from typing import Any

import pytest

from tests.services.conftest import Workshop
from thingstead.errors import Conflict, FieldError, InvalidInput, NotFound, Unavailable
from thingstead.model import limits
from thingstead.model.alarms.alarm import AlarmFilter
from thingstead.model.device import DeviceFilter, Page
from thingstead.model.report import Report
from thingstead.refusals import Reason
from thingstead.services.alarms.alarms import AlarmService
from thingstead.services.history.history import SHEETS_KEPT, HistoryService, iso_utc
from thingstead.services.registry.device_groups import DeviceGroupService, NewDeviceGroup
from thingstead.services.registry.device_types import DeviceTypeService, NewDeviceType
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.new_device import DRAW_ATTEMPTS, NewDevice
from thingstead.services.shared.commits import settled

ALL = Page(records=100)


class TakenAtFirst:
    """A part of a store whose unique values are taken the first ``times`` times; then it is the part itself."""

    def __init__(self, part: Any, times: int, error: Exception) -> None:
        self._part = part
        self.times = times
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def _refuse(self) -> None:
        if self.times:
            self.times -= 1
            raise self._error

    async def create(self, row: Any) -> Any:
        self._refuse()
        return await self._part.create(row)

    async def create_many(self, rows: list[Any]) -> list[Any]:
        if self.times:
            self.times -= 1
            return [self._error, *await self._part.create_many(rows[1:])]
        return list(await self._part.create_many(rows))

    async def update(self, project_id: str, row_id: str, changes: Any) -> None:
        self._refuse()
        await self._part.update(project_id, row_id, changes)


@pytest.fixture
def devices(workshop: Workshop) -> DeviceService:
    return DeviceService(workshop.store, workshop.bus, workshop.clock)


@pytest.fixture
def device_types(workshop: Workshop) -> DeviceTypeService:
    return DeviceTypeService(workshop.store, workshop.bus, workshop.clock)


@pytest.fixture
def device_groups(workshop: Workshop) -> DeviceGroupService:
    return DeviceGroupService(workshop.store, workshop.clock)


def take(workshop: Workshop, part: str, times: int, field: str = "id") -> None:
    error = Conflict.field(field, "taken")
    setattr(workshop.store, part, TakenAtFirst(getattr(workshop.store, part), times, error))


async def test_an_id_that_is_taken_is_drawn_again(
    workshop: Workshop, devices: DeviceService, device_types: DeviceTypeService, device_groups: DeviceGroupService
) -> None:
    for part in ("devices", "device_types", "device_groups"):
        take(workshop, part, DRAW_ATTEMPTS - 1)
    device = await devices.create("p1", NewDevice(name="n"))
    assert await devices.get("p1", device.id) == device
    device_type = await device_types.create("p1", NewDeviceType(name="n"))
    assert await device_types.get("p1", device_type.id) == device_type
    group = await device_groups.create("p1", NewDeviceGroup(name="n"))
    assert await device_groups.get("p1", group.id) == group


async def test_drawing_ends_when_every_id_is_taken(
    workshop: Workshop, devices: DeviceService, device_types: DeviceTypeService, device_groups: DeviceGroupService
) -> None:
    device = await workshop.add_device()
    for part in ("devices", "device_types", "device_groups"):
        take(workshop, part, 10**9)
    with pytest.raises(Unavailable):
        await devices.create("p1", NewDevice(name="n"))
    with pytest.raises(Unavailable):
        await devices.reset_certificate("p1", device.id)
    with pytest.raises(Unavailable):
        await devices.import_rows("p1", [{"name": "n"}])
    with pytest.raises(Unavailable):
        await device_types.create("p1", NewDeviceType(name="n"))
    with pytest.raises(Unavailable):
        await device_groups.create("p1", NewDeviceGroup(name="n"))


async def test_another_conflict_is_not_drawn_against(
    workshop: Workshop, devices: DeviceService, device_types: DeviceTypeService, device_groups: DeviceGroupService
) -> None:
    device = await workshop.add_device()
    for part in ("devices", "device_types", "device_groups"):
        take(workshop, part, 10**9, field="other")
    with pytest.raises(Conflict):
        await devices.create("p1", NewDevice(name="n"))
    with pytest.raises(Conflict):
        await devices.reset_certificate("p1", device.id)
    with pytest.raises(Conflict):
        await device_types.create("p1", NewDeviceType(name="n"))
    with pytest.raises(Conflict):
        await device_groups.create("p1", NewDeviceGroup(name="n"))


async def test_a_token_that_is_taken_is_drawn_again(workshop: Workshop, devices: DeviceService) -> None:
    device = await workshop.add_device()
    take(workshop, "devices", 1, field="access_token")
    certificate = await devices.reset_certificate("p1", device.id)
    found = await workshop.store.devices.find_by_access_token(certificate.access_token)
    assert found is not None
    assert found.id == device.id


async def test_imported_rows_are_drawn_again_alone(workshop: Workshop, devices: DeviceService) -> None:
    take(workshop, "devices", 2)
    results = await devices.import_rows("p1", [{"name": f"n{number}"} for number in range(3)])
    assert [(result.index, result.result) for result in results] == [(0, "created"), (1, "created"), (2, "created")]
    _, total = await devices.list_views("p1", DeviceFilter(), ALL)
    assert total == 3


async def test_an_imported_row_whose_twin_is_removed_meanwhile_is_created(
    workshop: Workshop, devices: DeviceService
) -> None:
    take(workshop, "devices", 1, field="device_key")
    [result] = await devices.import_rows("p1", [{"name": "n", "device_key": "k"}])
    assert result.result == "created"


@pytest.mark.parametrize("errors", [[FieldError("type", Reason("unknown_refusal", "is gone"))], []])
async def test_an_imported_row_whose_type_is_removed_meanwhile_is_refused(
    workshop: Workshop, devices: DeviceService, errors: list[FieldError]
) -> None:
    error = InvalidInput(Reason("unknown_refusal", "the type is gone"), errors)
    setattr(workshop.store, "devices", TakenAtFirst(workshop.store.devices, 1, error))  # noqa: B010 - as it is typed
    first, second = await devices.import_rows("p1", [{"name": "a"}, {"name": "b"}])
    assert (first.result, second.result) == ("refused", "created")


async def test_an_import_ends_with_the_store(workshop: Workshop, devices: DeviceService) -> None:
    error = Unavailable("store_closing")
    setattr(workshop.store, "devices", TakenAtFirst(workshop.store.devices, 1, error))  # noqa: B010 - as it is typed
    with pytest.raises(Unavailable):
        await devices.import_rows("p1", [{"name": "a"}])


async def test_a_project_has_only_so_many_types_and_groups(
    monkeypatch: pytest.MonkeyPatch, device_types: DeviceTypeService, device_groups: DeviceGroupService
) -> None:
    monkeypatch.setattr(limits, "TYPES_COUNT", 1)
    monkeypatch.setattr(limits, "GROUPS_COUNT", 1)
    await device_types.create("p1", NewDeviceType(name="n"))
    await device_groups.create("p1", NewDeviceGroup(name="n"))
    with pytest.raises(Conflict):
        await device_types.create("p1", NewDeviceType(name="n"))
    with pytest.raises(Conflict):
        await device_groups.create("p1", NewDeviceGroup(name="n"))


async def test_an_import_refuses_more_rows_than_the_limit(devices: DeviceService) -> None:
    with pytest.raises(InvalidInput):
        await devices.import_rows("p1", [{}] * (limits.IMPORT_ROWS + 1))


async def test_what_cannot_be_an_id_is_not_found(
    workshop: Workshop, devices: DeviceService, device_types: DeviceTypeService, device_groups: DeviceGroupService
) -> None:
    for name in ("", "\0", "a b", "\ud800", "x" * 65):
        for read in (devices.get, devices.get_view, device_types.get, device_groups.get):
            with pytest.raises(NotFound):
                await read("p1", name)
        with pytest.raises(NotFound):
            await HistoryService(workshop.store, workshop.bus).list_attributes("p1", name)


async def test_current_values_are_plain_and_in_the_order_asked_for(workshop: Workshop) -> None:
    device = await workshop.add_device()
    history = HistoryService(workshop.store, workshop.bus)
    assert await history.current_values(device) == {}
    await settled(workshop.store.history.append(Report(device.number, 5, 5, {"a": 1, "b": [2]})))
    assert await history.current_values(device) == {"a": 1, "b": [2]}
    assert list((await history.current_values(device, ["b", "unknown", "a"])).items()) == [("b", [2]), ("a", 1)]


async def test_definitions_of_many_types_are_not_kept_for_ever(
    workshop: Workshop, devices: DeviceService, device_types: DeviceTypeService
) -> None:
    history = HistoryService(workshop.store, workshop.bus)
    device = await workshop.add_device()
    for number in range(SHEETS_KEPT + 2):
        device_type = await device_types.create("p1", NewDeviceType(name=str(number)))
        await devices.change_type("p1", device.id, device_type.id)
        assert await history.list_attributes("p1", device.id) == []
    assert len(history._sheets) == SHEETS_KEPT


async def test_alarms_of_a_device_are_read_with_its_id(workshop: Workshop) -> None:
    device = await workshop.add_device()
    alarms = AlarmService(workshop.store, workshop.bus, workshop.clock, workshop.alarm_engine)
    assert await alarms.list_device_logs("p1", device.id, AlarmFilter(), ALL) == ([], 0)
    for name in ("nosuch00", "\0"):
        with pytest.raises(NotFound):
            await alarms.list_device_logs("p1", name, AlarmFilter(), ALL)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_709_164_800_999, "2024-02-29T00:00:00.999Z"),
        (limits.INSTANT_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_for_people(instant: int, text: str) -> None:
    assert iso_utc(instant) == text
