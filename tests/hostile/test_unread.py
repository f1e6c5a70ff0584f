"""A device that reads nothing of what it is sent holds a bounded part of memory."""

import contextlib
import http.client
import json
import socket

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.subscription_packets import Subscribe, SubscriptionRequest

V5 = ProtocolVersion.V5
TIMEOUT_S = 30
RECEIVE_BUFFER_BYTES = 4_096
VALUES = {f"x{number}": "x" * 50_000 for number in range(4)}


def unread_pushes(target: Target) -> dict[str, int]:
    """A device subscribes to pushes at QoS 1 and reads nothing, while an application pushes. How often each status
    came."""
    device_id, access_token, project_key = target.device
    statuses: dict[str, int] = {}
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.connect(("127.0.0.1", target.mqtt_port))
        properties = {Property.SESSION_EXPIRY_INTERVAL: 600}
        connect = Connect(
            V5, "unread", user_name=access_token, password=project_key.encode(), properties=properties
        ).serialize(V5)
        sock.sendall(connect + Subscribe(1, [SubscriptionRequest("attributes/push", 1)]).serialize(V5))
        connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            for number in target.until_over():
                body = json.dumps({"n": number, **VALUES})
                headers = {"Authorization": f"Bearer {target.token}", "Content-Type": "application/json"}
                connection.request("POST", f"/api/v1/control/device/{device_id}/attributes", body, headers)
                answer = connection.getresponse()
                answer.read()
                statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1
    return statuses


def test_a_device_that_reads_nothing_holds_a_bounded_part(stand: Stand) -> None:
    outcome = stand.withstand(unread_pushes)
    outcome.check()
    [statuses] = outcome.attack
    assert statuses.keys() == {"200"}
