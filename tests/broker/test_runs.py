"""Reports received together are stored together, at QoS 0 and QoS 1, and answered as if each came alone."""

import pytest

from tests.broker.conftest import House
from thingstead.mqtt.decoder import Packet
from thingstead.mqtt.publish_packets import Puback, Publish

BODIES = [b'{"n":1}', b'{"n":2}', b"nonsense", b'{"n":3}']


@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
async def test_each_report_of_a_run_is_kept_and_answered_in_its_order(house: House, qos: int, listens: bool) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    if listens:
        await peer.subscribe("attributes/response")
    peer.send(*(Publish("attributes", body, qos, number if qos else 0) for number, body in enumerate(BODIES, 1)))
    arrived: list[Packet] = [await peer.receive(Publish | Puback) for _ in range(4 * (qos + listens))]  # type: ignore[arg-type]
    await peer.receive_nothing()
    assert [each.packet_id for each in arrived if isinstance(each, Puback)] == ([1, 2, 3, 4] if qos else [])
    results = [each.payload[:11] for each in arrived if isinstance(each, Publish)]
    assert results == ([b'{"result":1', b'{"result":1', b'{"result":0', b'{"result":1'] if listens else [])
    while await house.platform.history.current_values(device, []) != {"n": 3}:
        await peer.receive_nothing()
    assert house.counters.messages_received == 4
