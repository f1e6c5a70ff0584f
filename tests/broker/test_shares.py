"""Back-pressure belongs to the one who causes it: who reports for a device of which too much waits is not read, others
are."""

from collections.abc import Callable

import pytest

from tests.broker.conftest import House, Peer, report
from tests.broker.test_gateways import Site, site
from thingstead.errors import InvalidInput, Unavailable
from thingstead.model.device import Device
from thingstead.model.limits import ELEMENT_BYTES, VALUE_BYTES
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.services.ingest import ingest

__all__ = ["site"]


@pytest.fixture
def crowd(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[Device | None], None]:
    """Makes a device one of which more waits than is its share; None: there is none any more."""
    history = house.store.history
    crowded: set[int] = set()
    monkeypatch.setattr(history, "crowded", lambda number: number in crowded)

    def choose(device: Device | None) -> None:
        crowded.clear()
        if device is not None:
            crowded.add(device.number)
        history._relieve()

    return choose


async def unread(house: House, peer: Peer, other: Peer) -> None:
    """What the peer sends now is not read, although the other's is."""
    received = house.counters.messages_received
    peer.send(report(9, b'{"n":9}'))
    for number in range(3):
        other.send(report(1 + number))
        await other.receive(Puback)
    assert house.counters.messages_received == received + 3


async def test_the_device_that_causes_it_is_not_read_and_another_is(
    house: House, crowd: Callable[[Device | None], None]
) -> None:
    hot = await house.device()
    peer, other = await house.log_in(hot), await house.log_in(await house.device())
    crowd(hot)
    peer.send(report(1))
    await peer.receive(Puback)
    await unread(house, peer, other)
    crowd(None)
    assert (await peer.receive(Puback)).packet_id == 9


async def test_a_gateway_is_not_read_for_the_device_behind_it_that_causes_it(
    site: Site, crowd: Callable[[Device | None], None]
) -> None:
    other = await site.house.log_in(await site.house.device())
    crowd(site.first)
    await site.publish("gateway/attributes", {"a2": {"x": 1}})  # another one behind it
    await site.peer.receive(Publish)  # the answer
    await site.publish("gateway/attributes", {"a1": {"x": 1}})
    await site.peer.receive(Publish)
    await unread(site.house, site.peer, other)
    crowd(None)
    assert (await site.peer.receive(Puback)).packet_id == 9


async def test_what_an_application_writes_waits_for_room_of_its_device(
    house: House, crowd: Callable[[Device | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "ROOM_TIMEOUT_S", 0.01)
    hot, other = await house.device(), await house.device()
    crowd(hot)
    control = house.platform.control
    with pytest.raises(Unavailable, match="of the device wait"):
        await control.push_attributes(house.project_id, hot.id, {"x": 1})
    await control.push_attributes(house.project_id, other.id, {"x": 1})
    crowd(None)
    await control.push_attributes(house.project_id, hot.id, {"x": 1})


async def test_of_a_report_with_a_value_that_is_too_long_the_others_are_kept(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    long = b'"' + b"x" * VALUE_BYTES + b'"'
    peer.send(report(1, b'{"good":1,"long":%s}' % long), report(2, b'{"long":%s}' % long), report(3, b'{"good":3}'))
    assert [(await peer.receive(Puback)).packet_id for _ in range(3)] == [1, 2, 3]
    values = await house.platform.history.current_values(device, [])
    assert values == {"good": 3}
    with pytest.raises(InvalidInput) as refused:
        await house.platform.control.push_attributes(house.project_id, device.id, {"long": "x" * VALUE_BYTES})
    assert [error.field for error in refused.value.errors] == ["long"]


@pytest.mark.parametrize("bodies", [[b'{"a":[[],[],[]]}', b'{"b":1}'], [b'{"a":{"b":[1,2]}}', b'nonsense"{']])
async def test_elements_of_arrays_and_objects_count_in_reports_that_came_in_one_go(
    house: House, bodies: list[bytes]
) -> None:
    link = await house.platform.ingest.link(await house.device())
    house.platform.ingest.report_run(link, bodies)
    assert house.store.history.heads.get(link.device.number).waiting_bytes > 3 * ELEMENT_BYTES
