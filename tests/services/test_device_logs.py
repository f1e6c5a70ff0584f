"""What was refused is visible with its reason, and a babbling device fills no disk."""

from tests.services.conftest import NOW, Workshop
from thingstead.errors import FieldError
from thingstead.model.device import DeviceSession, Page
from thingstead.refusals import reason
from thingstead.services.shared.commits import settled
from thingstead.services.shared.device_logs import BURST, INTERVAL_S, KINDS, PARTS_REFUSED
from thingstead.services.shared.excerpts import EXCERPT_BYTES, excerpt

UNKNOWN_TOPIC = reason("unknown_topic")


async def test_a_rejection_says_where_why_and_what(workshop: Workshop) -> None:
    device = await workshop.add_device()
    hot = FieldError.of("x", "above_maximum", value=400, maximum=85)
    workshop.logs.rejected(device, "attributes", PARTS_REFUSED, [hot], b'{"x":400}')
    await settled(workshop.store.history.touch(device.number, "data", NOW))
    entries, total = await workshop.logs.list_page(device, "rejected", Page())
    assert total == 1
    assert entries[0].body == {
        "topic": "attributes",
        "reason": "values were refused",
        "code": "values_refused",
        "args": {},
        "errors": [
            {
                "field": "x",
                "message": "400 is above the maximum 85",
                "code": "above_maximum",
                "args": {"value": 400, "maximum": 85},
            }
        ],
        "payload": '{"x":400}',
        "suppressed": 0,
    }


async def test_a_babbling_device_gets_few_entries_and_the_others_are_counted(workshop: Workshop) -> None:
    device, quiet = await workshop.add_device(), await workshop.add_device()
    for _ in range(1000):
        workshop.logs.rejected(device, "attributes", PARTS_REFUSED, (), b"")
    workshop.logs.rejected(quiet, "attributes", PARTS_REFUSED, (), b"")
    workshop.clock.advance(int(INTERVAL_S * 1000))
    workshop.logs.rejected(device, "attributes", PARTS_REFUSED, (), b"")
    await settled(workshop.store.history.touch(device.number, "data", NOW))
    entries, total = await workshop.logs.list_page(device, "rejected", Page())
    assert total == BURST + 1
    assert entries[0].body["suppressed"] == 1000 - BURST
    assert (await workshop.logs.list_page(quiet, "rejected", Page()))[1] == 1


async def test_a_topic_that_is_refused_all_the_time_hides_no_other(workshop: Workshop) -> None:
    device = await workshop.add_device()
    for number in range(200):
        workshop.logs.rejected(device, f"event/report/{number}", PARTS_REFUSED, (), b"")
    workshop.logs.rejected(device, "attribute", UNKNOWN_TOPIC, (), b"")
    for number in range(200):
        workshop.logs.rejected(device, f"topic{number}", UNKNOWN_TOPIC, (), b"")
    workshop.clock.advance(int(INTERVAL_S * 1000))
    workshop.logs.rejected(device, "attributes", PARTS_REFUSED, (), b"")
    await settled(workshop.store.history.touch(device.number, "data", NOW))
    entries, total = await workshop.logs.list_page(device, "rejected", Page(records=100))
    assert total == BURST + KINDS + 1
    assert [entry.body["topic"] for entry in entries].count("attribute") == 1
    assert sum(entry.body["suppressed"] for entry in entries) + total == 402


def test_an_excerpt_is_text_where_it_can_be_read() -> None:
    assert excerpt(b'{"a":\t1}\n') == '{"a":\t1}\n'
    assert excerpt(b"a\x00") == "hex:6100"
    assert excerpt(b"\xff") == "hex:ff"
    assert excerpt("温".encode() * EXCERPT_BYTES) == "温" * (EXCERPT_BYTES // 3)
    assert len(excerpt(b"\xff" * 5000)) == len("hex:") + 2 * EXCERPT_BYTES


async def test_the_connection_log_tells_who_took_over_and_a_fight_shows_both_clients(workshop: Workshop) -> None:
    device = await workshop.add_device()
    for number in range(4):
        assert await workshop.presence.conflict(device) == []
        session = DeviceSession(
            session_id=f"s{number}",
            node="node1",
            protocol="mqtt",
            client_id=f"client{number % 2}",
            remote_address=f"10.0.0.{number % 2}",
            connected_at=NOW,
        )
        await workshop.presence.open(device, session)
    assert await workshop.presence.conflict(device) == [
        {"client_id": "client0", "remote_address": "10.0.0.0"},
        {"client_id": "client1", "remote_address": "10.0.0.1"},
    ]
    entries, _ = await workshop.logs.list_page(device, "connection", Page())
    assert [(entry.body["reason"], entry.body["replaced"]) for entry in entries] == [
        ("taken over", "s2"),
        ("taken over", "s1"),
        ("taken over", "s0"),
        ("connected", None),
    ]
    workshop.clock.advance(61_000)
    assert await workshop.presence.conflict(device) == []
