"""Notices: made with their alarm, sent in order under a lease, capped, digested."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, act, alarm, alarm_rule, channel, device, notify_group, record
from thingstead.errors import Conflict, NotFound
from thingstead.model.alarms.alarm import AlarmFilter
from thingstead.model.alarms.notification import Attempt, Channel, KeptChannel, NotifyGroup
from thingstead.model.device import Page
from thingstead.storage.base import Store
from thingstead.storage.base_alarms import Caps, Claim, Shares

LEASE = 1_000
DAY = 24 * 3600 * 1000
UNCAPPED = Caps(0, 0)


@pytest.fixture
async def fleet(store: Store) -> Store:
    """A device and a rule with the webhook w1."""
    await store.devices.create_many([device("d1", name="One"), device("d2")])
    await store.alarm_rules.create(alarm_rule("r1", device_ids=("d1", "d2"), channels=(channel("w1"),)))
    return store


async def flap(store: Store, count: int, device_id: str = "d1", rule_id: str = "r1") -> list[str]:
    """Raises and clears an alarm; the ids of the messages."""
    found = []
    for number in range(count):
        first, second = f"{device_id}{rule_id}-{number}up", f"{device_id}{rule_id}-{number}down"
        info = {"rule_name": "Too hot"}
        await record(
            store,
            alarm(first, device_id, rule_id=rule_id, alarm_info=info),
            alarm(second, device_id, rule_id=rule_id, alarm_id=first, alarm_status=0, alarm_info=info),
        )
        found += [first, second]
    return found


async def claim(store: Store, owner: str, now: int, lease_until: int) -> list[tuple[str, str]]:
    """The channels that were leased, and their projects."""
    claims = await store.notify.claim(owner, now, lease_until, Shares(8, 8), {}, 1, UNCAPPED)
    return [(each.channel.id, each.project_id) for each in claims]


async def take(store: Store, channel_id: str = "w1", owner: str = "n1", now: int = NOW, **more: Any) -> Claim:
    taken = await store.notify.take(
        owner, channel_id, now, now + LEASE, more.get("limit", 100), more.get("caps", UNCAPPED)
    )
    assert taken is not None
    return taken


def attempt(notice_id: str, state: Any = "sent", ts: int = NOW) -> Attempt:
    return Attempt(notice_id=notice_id, target="host", state=state, message="200", took_ms=5, ts=ts)


async def record_all(store: Store, taken: Claim, channel_id: str = "w1", owner: str = "n1", ts: int = NOW) -> None:
    attempts = [attempt(notice.id, ts=ts) for notice, _ in taken.notices]
    assert await store.notify.record(owner, channel_id, attempts)


async def test_notices_are_made_with_their_messages_and_sent_in_order(backend: Backend, fleet: Store) -> None:
    messages = await flap(fleet, 3)
    store = await backend.reopen()

    assert await claim(store, "n1", NOW, NOW + LEASE) == [("w1", "ours")]
    taken = await take(store, limit=4)
    assert taken.channel == channel("w1")
    told = [message.id for _, message in taken.notices if message is not None]
    assert told == messages[:4]
    assert taken.notices[0][1] is not None
    assert taken.notices[0][1].device_name == "One"

    await record_all(store, taken)
    assert [message.id for _, message in (await take(store)).notices if message] == messages[4:]


async def test_a_lease_keeps_others_away_until_it_ends(fleet: Store) -> None:
    await flap(fleet, 1)
    assert await claim(fleet, "n1", NOW, NOW + LEASE) == [("w1", "ours")]
    first = await take(fleet)

    assert await claim(fleet, "n2", NOW + LEASE, NOW + 2 * LEASE) == [("w1", "ours")]  # n1 died
    assert await fleet.notify.record("n1", "w1", [attempt(first.notices[0][0].id)]) is False
    assert await fleet.notify.take("n1", "w1", NOW, NOW + LEASE, 10, UNCAPPED) is None
    assert [notice.id for notice, _ in (await take(fleet, owner="n2")).notices] == [n.id for n, _ in first.notices]


async def test_taking_prolongs_the_lease(fleet: Store) -> None:
    await flap(fleet, 1)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    assert await claim(fleet, "n2", NOW + LEASE - 1, NOW + 9 * LEASE) == []
    await take(fleet, now=NOW + LEASE - 1)
    assert await claim(fleet, "n2", NOW + LEASE, NOW + 9 * LEASE) == []
    assert await fleet.notify.next_try() == NOW + 2 * LEASE - 1


async def test_a_failing_channel_waits_and_keeps_its_order(fleet: Store) -> None:
    messages = await flap(fleet, 1)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    taken = await take(fleet)
    await fleet.notify.record("n1", "w1", [attempt(taken.notices[0][0].id, "waiting")])
    await fleet.notify.release("n1", "w1", NOW + 500, 1)

    assert await fleet.notify.next_try() == NOW + 500
    assert await claim(fleet, "n1", NOW + 499, NOW + LEASE) == []
    assert await claim(fleet, "n1", NOW + 500, NOW + LEASE) == [("w1", "ours")]
    again = await take(fleet)
    assert [message.id for _, message in again.notices if message] == messages
    assert [notice.attempts for notice, _ in again.notices] == [1, 0]
    assert again.failures == 1


async def test_states_only_move_forward(fleet: Store) -> None:
    await flap(fleet, 1)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    notice = (await take(fleet)).notices[0][0]
    await fleet.notify.record("n1", "w1", [attempt(notice.id, "failed"), attempt(notice.id, "sent")])
    logs, total = await fleet.notify.list_logs("ours", None, None, Page())
    assert [(log.notice_id, log.state) for log in logs] == [(notice.id, "failed")]
    assert total == 1


async def test_every_attempt_is_listed_and_stands_at_its_message(fleet: Store) -> None:
    messages = await flap(fleet, 1)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    first, second = (notice.id for notice, _ in (await take(fleet)).notices)
    await fleet.notify.record("n1", "w1", [attempt(first, "waiting"), attempt(first, "sent", NOW + 5), attempt(second)])

    logs, total = await fleet.notify.list_logs("ours", "d1", None, Page())
    assert total == 3
    assert [(log.message_id, log.state, log.ts) for log in logs] == [
        (messages[0], "sent", NOW + 5), (messages[1], "sent", NOW), (messages[0], "waiting", NOW),
    ]  # fmt: skip
    assert (await fleet.notify.list_logs("ours", None, "waiting", Page()))[1] == 1
    assert await fleet.notify.list_logs("theirs", None, None, Page()) == ([], 0)
    alarms, _ = await fleet.alarms.list_page("ours", AlarmFilter(alarm_status=1), Page())
    assert [log["state"] for log in alarms[0].notify_logs] == ["waiting", "sent"]
    assert alarms[0].notify_logs[0] == {
        "channel": "webhook",
        "target": "host",
        "state": "waiting",
        "message": "200",
        "ts": NOW,
    }


async def test_a_notice_expires_when_its_time_is_over(fleet: Store) -> None:
    await flap(fleet, 1)
    assert await claim(fleet, "n1", NOW + DAY, NOW + DAY + LEASE) == []
    logs, _ = await fleet.notify.list_logs("ours", None, None, Page())
    assert [log.state for log in logs] == ["expired", "expired"]
    assert await fleet.notify.next_try() is None


async def test_a_shelved_rule_tells_nothing_and_an_alarm_open_at_the_end_is_told(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"))
    await act(fleet, "shelve", until=NOW + 10)
    await record(fleet, alarm("a2", "d1", rule_id="r1", alarm_id="a1", alarm_level=3, create_time=NOW + 5))
    await record(fleet, alarm("b1", "d2", rule_id="r1", create_time=NOW + 5))
    await fleet.alarms.end_shelves(NOW + 10)

    await claim(fleet, "n1", NOW, NOW + LEASE)
    told = [(notice.kind, message.id) for notice, message in (await take(fleet)).notices if message]
    assert told == [("alarm", "a1"), ("alarm", "b1"), ("unshelved", "a2")]


async def test_groups_tell_for_every_rule_that_uses_them_unless_disabled(fleet: Store) -> None:
    group = notify_group("g1", channels=(channel("g1c1"), channel("g1c2")))
    await fleet.notify.create_group(group)
    await fleet.alarm_rules.create(alarm_rule("r2", device_ids=("d1",), group_ids=("g1",)))
    await record(fleet, alarm("a1", "d1", rule_id="r2"))
    assert sorted(await claim(fleet, "n1", NOW, NOW + LEASE)) == [
        ("g1c1", "ours"),
        ("g1c2", "ours"),
    ]

    await fleet.notify.replace_group(replace(group, enabled=False), NOW)
    await record(fleet, alarm("a2", "d1", rule_id="r2", alarm_id="a1", alarm_status=0))
    assert (await take(fleet, "g1c1")).notices == []  # nor is what was waiting told
    await fleet.notify.replace_group(group, NOW)
    await record(fleet, alarm("a3", "d1", rule_id="r2"))
    assert ("g1c1", "ours") in await claim(fleet, "n1", NOW, NOW + LEASE)
    assert [message.id for _, message in (await take(fleet, "g1c1")).notices if message is not None] == ["a3"]


async def test_a_group_is_kept_changed_and_removed(backend: Backend, fleet: Store) -> None:
    group = notify_group("g1", channels=(channel("c1"), channel("c2")))
    await fleet.notify.create_group(group)
    changed = replace(group, name="renamed", channels=(channel("c2"), channel("c3")))
    await fleet.notify.replace_group(changed, NOW)
    changed = replace(changed, version=2)
    store = await backend.reopen()
    assert await store.notify.get_group("ours", "g1") == changed
    assert await store.notify.list_groups("ours", Page()) == ([changed], 1)
    for call in (
        store.notify.get_group("theirs", "g1"),
        store.notify.replace_group(NotifyGroup(id="g1", project_id="theirs", name="", create_time=0), NOW),
        store.notify.delete_group("theirs", "g1"),
    ):
        with pytest.raises(NotFound):
            await call
    await store.notify.delete_group("ours", "g1")
    assert await store.notify.list_groups("ours", Page()) == ([], 0)


async def test_a_group_in_use_is_not_removed(fleet: Store) -> None:
    await fleet.notify.create_group(notify_group("g1"))
    await fleet.alarm_rules.create(alarm_rule("r2", device_ids=("d1",), group_ids=("g1",)))
    with pytest.raises(Conflict):
        await fleet.notify.delete_group("ours", "g1")


async def test_notices_for_a_channel_that_goes_are_dropped(fleet: Store) -> None:
    await flap(fleet, 1)
    rule = await fleet.alarm_rules.get("ours", "r1")
    await fleet.alarm_rules.replace(replace(rule, channels=(channel("w2"),)), NOW, None)
    assert await claim(fleet, "n1", NOW, NOW + LEASE) == []
    assert await fleet.notify.next_try() is None


async def test_notices_for_the_channels_of_a_removed_rule_are_dropped(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"))
    await fleet.alarm_rules.delete("ours", "r1", NOW, "gone")
    assert await claim(fleet, "n1", NOW + 2 * DAY, NOW + 2 * DAY + LEASE) == []
    assert await fleet.notify.list_logs("ours", None, None, Page()) == ([], 0)  # nor do they expire later on
    assert await fleet.notify.prune(NOW + 1) == 2


async def test_a_channel_that_was_corrected_is_tried_at_once(fleet: Store) -> None:
    await flap(fleet, 1)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    await fleet.notify.release("n1", "w1", NOW + 500, 3)
    rule = await fleet.alarm_rules.get("ours", "r1")
    await fleet.alarm_rules.replace(replace(rule, name="renamed"), NOW, None)
    assert await fleet.notify.next_try() == NOW + 500
    corrected = KeptChannel(id="w1", kind="webhook", channel=Channel(webhook="http://other/"))
    await fleet.alarm_rules.replace(replace(rule, channels=(corrected,)), NOW, None)
    assert await fleet.notify.next_try() == 0
    assert await claim(fleet, "n1", NOW, NOW + LEASE) == [("w1", "ours")]
    assert (await take(fleet)).failures == 0


async def test_what_is_over_a_daily_cap_is_held_for_a_digest(fleet: Store) -> None:
    mail = KeptChannel(id="m1", kind="email", channel=Channel(email=("a@example.com",)))
    await fleet.alarm_rules.create(alarm_rule("r2", device_ids=("d1", "d2"), channels=(mail,)))
    await flap(fleet, 3, "d1", "r2")
    caps = Caps(project=0, device=2)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    taken = await take(fleet, "m1", caps=caps)
    assert len(taken.notices) == 2
    await record_all(fleet, taken, "m1")
    await flap(fleet, 1, "d2", "r2")
    assert [message.device_id for _, message in (await take(fleet, "m1", caps=caps)).notices if message] == ["d2", "d2"]

    assert await fleet.notify.digest(NOW + 99, NOW - 1, DAY) == 0
    assert await fleet.notify.digest(NOW + 100, NOW, DAY) == 1
    assert await fleet.notify.digest(NOW + 101, NOW + 101, DAY) == 0
    digest = (await take(fleet, "m1", caps=caps)).notices[-1][0]
    assert digest.kind == "digest"
    line = {"rule_name": "Too hot", "device_name": "One", "alarm_level": 2, "count": 4}
    assert digest.body == {"since": NOW, "until": NOW, "count": 4, "items": [line]}


async def test_a_daily_cap_of_the_project_counts_all_devices_and_ends_with_the_day(fleet: Store) -> None:
    mail = KeptChannel(id="m1", kind="email", channel=Channel(email=("a@example.com",)))
    await fleet.alarm_rules.create(alarm_rule("r2", device_ids=("d1", "d2"), channels=(mail,)))
    await flap(fleet, 1, "d1", "r2")
    caps = Caps(project=2, device=0)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    await record_all(fleet, await take(fleet, "m1", caps=caps), "m1")
    await flap(fleet, 1, "d2", "r2")
    assert (await take(fleet, "m1", caps=caps)).notices == []
    await record(fleet, alarm("next", "d2", rule_id="r2", create_time=NOW + DAY))
    await claim(fleet, "n1", NOW + DAY - 1, NOW + DAY + LEASE)
    assert len((await take(fleet, "m1", now=NOW + DAY, caps=caps)).notices) == 1


async def test_webhooks_have_no_caps(fleet: Store) -> None:
    await flap(fleet, 2)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    assert len((await take(fleet, caps=Caps(1, 1))).notices) == 4


async def test_a_notice_is_dropped_with_its_log_when_it_is_past_its_time_and_waits_no_longer(fleet: Store) -> None:
    await record(fleet, alarm("a1", "d1", rule_id="r1"), alarm("a2", "d2", rule_id="r1"))
    await claim(fleet, "me", NOW, NOW + LEASE)
    taken = await fleet.notify.take("me", "w1", NOW, NOW + LEASE, 1, UNCAPPED)
    assert taken is not None
    notice, _ = taken.notices[0]
    sent = Attempt(notice_id=notice.id, target="", state="sent", message="HTTP 200", took_ms=1, ts=NOW)
    assert await fleet.notify.record("me", "w1", [sent])

    assert await fleet.notify.prune(notice.create_time) == 0
    assert await fleet.notify.prune(notice.create_time + 1) == 1
    assert await fleet.notify.prune(notice.create_time + 1) == 0
    assert await fleet.notify.list_logs("ours", None, None, Page()) == ([], 0)
    taken = await fleet.notify.take("me", "w1", NOW, NOW + LEASE, 9, UNCAPPED)
    assert taken is not None
    assert [message.id for _, message in taken.notices if message is not None] == ["a2"]


async def test_no_channel_waits_for_an_instant_that_the_clock_was_set_back_from(fleet: Store) -> None:
    await flap(fleet, 1)
    ahead = NOW + 8 * 3_600_000
    await claim(fleet, "n1", ahead, ahead + LEASE)
    await fleet.notify.clock_set_back(NOW, NOW + LEASE)
    assert await fleet.notify.next_try() == NOW + LEASE
    await fleet.notify.release("n1", "w1", ahead + 500, 1)
    await fleet.notify.clock_set_back(NOW, NOW + LEASE)
    assert await claim(fleet, "n1", NOW, NOW + LEASE) == [("w1", "ours")]


async def test_the_first_notices_come_with_the_lease_and_the_next_ones_with_what_became_of_them(fleet: Store) -> None:
    messages = await flap(fleet, 2)
    [first] = await fleet.notify.claim("n1", NOW, NOW + LEASE, Shares(8, 8), {}, 3, UNCAPPED)
    assert [message.id for _, message in first.notices if message] == messages[:3]
    assert (first.channel, first.project_id, first.failures) == (channel("w1"), "ours", 0)
    attempts = [attempt(notice.id) for notice, _ in first.notices]
    rest = await fleet.notify.take("n1", "w1", NOW, NOW + LEASE, 3, UNCAPPED, attempts)
    assert rest is not None
    assert [message.id for _, message in rest.notices if message] == messages[3:]
    assert (await fleet.notify.list_logs("ours", None, "sent", Page()))[1] == 3
    await fleet.notify.release("n1", "w1", NOW + 500, 2, [attempt(rest.notices[0][0].id, "waiting")])
    assert (await fleet.notify.list_logs("ours", None, "waiting", Page()))[1] == 1
    [again] = await fleet.notify.claim("n2", NOW + 500, NOW + 9 * LEASE, Shares(8, 8), {}, 3, UNCAPPED)
    assert again.failures == 2


async def test_the_lease_is_given_back_with_the_last_notice(fleet: Store) -> None:
    await flap(fleet, 1)
    [first] = await fleet.notify.claim("n1", NOW, NOW + LEASE, Shares(8, 8), {}, 9, UNCAPPED)
    attempts = [attempt(notice.id) for notice, _ in first.notices]
    over = await fleet.notify.take("n1", "w1", NOW, NOW + LEASE, 9, UNCAPPED, attempts, failures=3)
    assert over is not None
    assert over.notices == []
    await flap(fleet, 1, "d2")
    [other] = await fleet.notify.claim("n2", NOW, NOW + LEASE, Shares(8, 8), {}, 9, UNCAPPED)
    assert other.failures == 3


async def test_what_became_of_notices_is_not_kept_without_the_lease(fleet: Store) -> None:
    await flap(fleet, 1)
    [first] = await fleet.notify.claim("n1", NOW, NOW + LEASE, Shares(8, 8), {}, 9, UNCAPPED)
    await fleet.notify.claim("n2", NOW + LEASE, NOW + 2 * LEASE, Shares(8, 8), {}, 9, UNCAPPED)
    attempts = [attempt(notice.id) for notice, _ in first.notices]
    assert await fleet.notify.take("n1", "w1", NOW, NOW + LEASE, 9, UNCAPPED, attempts) is None
    await fleet.notify.release("n1", "w1", 0, 0, attempts)
    assert (await fleet.notify.list_logs("ours", None, None, Page()))[1] == 0
    assert await claim(fleet, "n3", NOW + LEASE, NOW + 2 * LEASE) == []  # n2 has it still


async def test_a_channel_that_is_being_sent_over_gets_its_lease_back_and_nothing_of_it_is_claimed(fleet: Store) -> None:
    await flap(fleet, 1)
    await claim(fleet, "n1", NOW, NOW + LEASE)
    later = NOW + LEASE
    assert await fleet.notify.claim("n1", later, later + LEASE, Shares(8, 8), {}, 9, UNCAPPED, {"w1"}) == []
    assert await claim(fleet, "n2", later + 1, later + LEASE) == []
    assert len((await take(fleet, now=later)).notices) == 2


async def test_a_channel_that_was_just_released_is_not_leased_to_a_sender_that_ends(fleet: Store) -> None:
    """Its next notice would wait for the end of a lease that nobody uses."""
    await flap(fleet, 1)
    [first] = await fleet.notify.claim("n1", NOW, NOW + LEASE, Shares(8, 8), {}, 9, UNCAPPED)
    await fleet.notify.take("n1", "w1", NOW, NOW + LEASE, 9, UNCAPPED, [attempt(each.id) for each, _ in first.notices])
    await flap(fleet, 1, "d2")
    assert await fleet.notify.claim("n1", NOW, NOW + LEASE, Shares(8, 8), {}, 9, UNCAPPED, {"w1"}) == []
    [again] = await fleet.notify.claim("n1", NOW, NOW + LEASE, Shares(8, 8), {}, 9, UNCAPPED)
    assert len(again.notices) == 2
