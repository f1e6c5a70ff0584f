"""A device fetches its certificate by DeviceKey, and creates itself where its type allows that."""

import asyncio

import pytest

from tests.services.conftest import NOW, Workshop
from thingstead.config import ApiSettings
from thingstead.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound, TooManyRequests
from thingstead.model.customer import Customer
from thingstead.services.registry.new_device import NewDevice
from thingstead.services.registry.registration import RegistrationService
from thingstead.services.shared.commits import settled

HOST = "192.0.2.1"


async def type_key_of(workshop: Workshop, type_id: str) -> str:
    return (await workshop.store.device_types.get("p1", type_id)).type_key


async def test_a_registered_device_gets_its_certificate(workshop: Workshop) -> None:
    device = await workshop.add_device(device_key="IMEI1")
    found, conn_type = await workshop.registration.certificate("key-p1", "IMEI1", HOST)
    assert (found.id, found.access_token, conn_type) == (device.id, device.access_token, "1")


async def test_a_gateway_is_told_that_it_is_one(workshop: Workshop) -> None:
    await workshop.add_device(device_key="G", type_id=await workshop.add_type(conn_type="3"))
    assert (await workshop.registration.certificate("key-p1", "G", HOST))[1] == "3"


async def test_an_unknown_device_creates_itself_only_under_a_type_that_allows_it(workshop: Workshop) -> None:
    open_type = await type_key_of(workshop, await workshop.add_type(auto_create=True))
    closed_type = await type_key_of(workshop, await workshop.add_type())
    with pytest.raises(NotFound):
        await workshop.registration.certificate("key-p1", "K", HOST)
    with pytest.raises(NotFound):
        await workshop.registration.certificate("key-p1", "K", HOST, "unknown")
    with pytest.raises(Forbidden):
        await workshop.registration.certificate("key-p1", "K", HOST, closed_type)
    created, _ = await workshop.registration.certificate("key-p1", "K", HOST, open_type)
    again, _ = await workshop.registration.certificate("key-p1", "K", HOST, closed_type)
    assert created.id == again.id
    assert created.device_key == created.name == "K"


async def test_a_device_that_asks_many_times_at_once_is_created_once(workshop: Workshop) -> None:
    open_type = await type_key_of(workshop, await workshop.add_type(auto_create=True))
    answers = await asyncio.gather(
        *(workshop.registration.certificate("key-p1", "K", HOST, open_type) for _ in range(20))
    )
    assert len({device.id for device, _ in answers}) == 1


async def test_a_customer_gets_the_device_unless_it_is_anothers(workshop: Workshop) -> None:
    for customer_id in ("first", "second"):
        customer = Customer(
            id=customer_id, project_id="p1", account=customer_id, name="n", password_hash="", create_time=NOW
        )
        await workshop.store.customers.create(customer)
    device = await workshop.add_device(device_key="K")
    for customer_id in ("unknown", "first", "second"):
        await workshop.registration.certificate("key-p1", "K", HOST, customer_id=customer_id)
    assert (await workshop.store.devices.get("p1", device.id)).customer_id == "first"


async def test_a_project_key_opens_its_own_project_only(workshop: Workshop) -> None:
    await workshop.add_project("p2")
    await workshop.add_device(device_key="K")
    with pytest.raises(NotFound):
        await workshop.registration.certificate("key-p2", "K", HOST)
    with pytest.raises(NotAuthenticated):
        await workshop.registration.certificate("wrong", "K", HOST)


@pytest.mark.parametrize("device_key", ["", " ", "x" * 129, "a\x00b"])
async def test_a_bad_device_key_is_refused(workshop: Workshop, device_key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await workshop.registration.certificate("key-p1", device_key, HOST)
    assert [error.field for error in caught.value.errors] == ["device_key"]


def registration(workshop: Workshop, **settings: object) -> RegistrationService:
    return RegistrationService(
        workshop.store,
        workshop.bus,
        workshop.clock,
        workshop.devices,
        ApiSettings(**settings),  # type: ignore[arg-type]
    )


async def test_devices_create_themselves_no_faster_than_the_rate_of_their_project(workshop: Workshop) -> None:
    await workshop.add_project("p2")
    service = registration(workshop, auto_create_per_minute_max=60)
    ours = await type_key_of(workshop, await workshop.add_type(auto_create=True))
    theirs = await workshop.store.device_types.get("p2", await workshop.add_type(project_id="p2", auto_create=True))
    for number in range(60):
        await service.certificate("key-p1", f"K{number}", HOST, ours)
    with pytest.raises(TooManyRequests):
        await service.certificate("key-p1", "K60", HOST, ours)
    await service.certificate("key-p1", "K59", HOST, ours)  # is there already
    await service.certificate("key-p2", "K60", HOST, theirs.type_key)
    workshop.clock.advance(1_000)
    await service.certificate("key-p1", "K60", HOST, ours)


async def test_no_further_device_creates_itself_beyond_the_number_of_the_project(workshop: Workshop) -> None:
    service = registration(workshop, auto_create_devices_max=2)
    type_key = await type_key_of(workshop, await workshop.add_type(auto_create=True))
    for number in range(2):
        await service.certificate("key-p1", f"K{number}", HOST, type_key)
    with pytest.raises(Forbidden, match="as many auto-created devices"):
        await service.certificate("key-p1", "K2", HOST, type_key)
    await service.certificate("key-p1", "K1", HOST, type_key)


async def test_a_certificate_that_is_given_out_once_is_so_until_the_device_has_reported(workshop: Workshop) -> None:
    service = registration(workshop, certificates_once=True)
    device = await workshop.add_device(device_key="K")
    for _ in range(2):  # the answer to the first may have been lost
        assert (await service.certificate("key-p1", "K", HOST))[0].id == device.id
    outcome = workshop.ingest.report_attributes(await workshop.ingest.link(device), b'{"t": 1}')
    assert outcome.commit is not None
    await settled(outcome.commit)
    with pytest.raises(Forbidden, match="was connected before"):
        await service.certificate("key-p1", "K", HOST)


@pytest.mark.parametrize("device_key", ["K1", " K1\r\n", "\ufeffK1"])
async def test_what_stands_around_a_device_key_makes_no_second_device(workshop: Workshop, device_key: str) -> None:
    open_type = await type_key_of(workshop, await workshop.add_type(auto_create=True))
    device = await workshop.devices.create("p1", NewDevice(name="n", device_key="K1\n"))
    assert device.device_key == "K1"
    found, _ = await workshop.registration.certificate("key-p1", device_key, HOST, open_type)
    assert found.id == device.id
    with pytest.raises(InvalidInput, match=r"invisible character U\+200B"):
        await workshop.registration.certificate("key-p1", "K\u200b1", HOST, open_type)


async def test_a_device_of_an_earlier_release_keeps_its_odd_key(workshop: Workshop) -> None:
    await workshop.add_device(device_key="K1")
    odd = await workshop.add_device(device_key="K1 ")
    assert (await workshop.registration.certificate("key-p1", "K1 ", HOST))[0].id == odd.id
