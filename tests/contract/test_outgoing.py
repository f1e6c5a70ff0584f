"""Messages of rules to addresses outside: added with a commit, in order, bounded, removed with their rule."""

from typing import Any

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device
from tests.contract.test_message_rules import message_rule
from thingstead.model.message_rules.outgoing import ROW_BYTES, OutgoingLane, OutgoingMessage
from thingstead.storage.base import Store
from thingstead.storage.commit import settled


def message(number: int, rule_id: str = "r1", **more: Any) -> OutgoingMessage:
    values: dict[str, Any] = {"action": 0, "device_id": "d1", "kind": "event", "names": {"device_key": "钥"}}
    values |= {"create_time": NOW, "body": b'{"a":1}', "project_id": "ours", "id": f"m{number}", **more}
    return OutgoingMessage(number=number, rule_id=rule_id, **values)


@pytest.fixture
async def ruled(store: Store) -> Store:
    await store.devices.create_many([device("d1")])
    for rule_id in ("r1", "r2"):
        await store.message_rules.create(message_rule(rule_id, device_ids=("d1",)))
    return store


async def test_messages_wait_in_order_also_after_a_restart(backend: Backend, ruled: Store) -> None:
    sent = [message(number) for number in (3, 1, 2)]
    for each in [*sent, message(4, "r2", action=7)]:
        await settled(ruled.outgoing.append(each))
    outgoing = (await backend.reopen()).outgoing
    assert await outgoing.list_waiting("r1", 0, 10, 1_000_000) == sorted(sent, key=lambda each: each.number)
    size_bytes = ROW_BYTES + len(sent[0].body)
    assert sorted(await outgoing.list_lanes()) == [
        OutgoingLane("ours", "r1", 0, 3, 3 * size_bytes), OutgoingLane("ours", "r2", 7, 1, size_bytes)
    ]  # fmt: skip
    assert await outgoing.last_number() == 4
    await outgoing.remove([1, 3, 99])
    assert [each.number for each in await outgoing.list_waiting("r1", 0, 10, 1_000_000)] == [2]


async def test_a_read_is_bounded_in_number_and_bytes_but_has_at_least_one_message(ruled: Store) -> None:
    for number in (1, 2, 3):
        await settled(ruled.outgoing.append(message(number, body=bytes(100))))
    for limit, limit_bytes, count in ((2, 1_000, 2), (9, 250, 2), (9, 10, 1), (9, 1_000, 3)):
        assert len(await ruled.outgoing.list_waiting("r1", 0, limit, limit_bytes)) == count


async def test_messages_go_with_their_rule_and_one_of_a_removed_rule_is_not_added(ruled: Store) -> None:
    assert await ruled.outgoing.last_number() == 0
    await settled(ruled.outgoing.append(message(1)))
    await ruled.message_rules.delete("ours", "r1")
    await settled(ruled.outgoing.append(message(2)))
    assert await ruled.outgoing.list_lanes() == []
