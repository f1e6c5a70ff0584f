"""A tenant who asks for large answers over many connections waits for himself, and holds nobody else up."""

import http.client
import json
import threading

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand

TIMEOUT_S = 60
CONNECTIONS = 48
VALUES = {f"x{number}": "x" * 60_000 for number in range(15)}  # nearly what a device may have


def large_answers(target: Target) -> int:
    """A device reports nearly as much as it may have, and its project asks for that again and again; how many answers
    came."""
    device_id, access_token, project_key = target.device
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
    for name, value in VALUES.items():
        body = json.dumps({name: value})
        connection.request("POST", f"/device/v1/{access_token}/attributes", body, {"Project-Key": project_key})
        answer = connection.getresponse()
        assert answer.read() == b'{"result":1}', answer.status
    counts = [0] * CONNECTIONS

    def ask(number: int) -> None:
        asking = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
        for _ in target.until_over():
            headers = {"Authorization": f"Bearer {target.token}"}
            asking.request("GET", f"/api/v1/device/{device_id}/attributes", headers=headers)
            answer = asking.getresponse()
            assert len(answer.read()) > 900_000
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def test_large_answers_hold_nobody_up(stand: Stand) -> None:
    outcome = stand.withstand(large_answers)
    outcome.check()
    assert outcome.attack[0] > 0
