"""A tenant who imports what is wrong, over and over, costs everybody else nothing."""

import http.client
import json
import random
import string
from collections import Counter

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand

TIMEOUT_S = 60
ROWS = 9_000


def bodies() -> list[bytes]:
    """Bodies of up to 16 MB that once held everybody up for seconds."""
    random.seed(1)
    names = [["".join(random.choices(string.ascii_lowercase, k=60)) for _ in range(20)] for _ in range(100)]
    full = {"name": "", "tags": {f"t{number}": "v" for number in range(64)}, "groups": ["nosuch00"] * 20}
    wrong = {"name": 1, "descr": 2, "type": 3, "tags": 4, "device_key": 5, "groups": 6, "gateway": 7}
    strange = [{"name": "a", **dict.fromkeys(names[number % len(names)], 1)} for number in range(ROWS)]
    return [
        b'{"devices":[' + b",".join([b"[]"] * 5_000_000) + b"]}",
        b'{"devices":[' + b",".join([b"[]"] * 900_000) + b"]}",
        b'{"devices":[[' + b",".join([b"[]"] * 900_000) + b"]]}",
        *(json.dumps({"devices": rows}).encode() for rows in (strange, [full] * ROWS, [wrong] * ROWS)),
    ]


def import_rubbish(target: Target) -> dict[str, int]:
    """How often each outcome came."""
    outcomes: Counter[str] = Counter()
    rubbish = bodies()
    connection = http.client.HTTPConnection("127.0.0.1", target.http_port, timeout=TIMEOUT_S)
    for number in target.until_over():
        headers = {"Authorization": f"Bearer {target.token}"}
        connection.request("POST", "/api/v1/devices_import", rubbish[number % len(rubbish)], headers)
        answer = json.loads(connection.getresponse().read())
        outcomes["rows" if answer["result"] else answer["errors"][0]["field"]] += 1
    connection.close()
    return outcomes


def test_imports_of_rubbish_hold_nobody_up(stand: Stand) -> None:
    outcome = stand.withstand(import_rubbish, import_rubbish)
    outcome.check()
    assert {field for outcomes in outcome.attack for field in outcomes} <= {"body", "devices", "rows"}
    assert outcome.attack[0]["body"] > 0
