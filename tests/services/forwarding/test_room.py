"""Room for batches under way: bounded, and shared by projects."""

import asyncio

from thingstead.services.forwarding.room import PROJECT_BYTES, ROOM_BYTES, SendingRoom


async def hold(room: SendingRoom, project_id: str, size_bytes: int, entered: list[str], leave: asyncio.Event) -> None:
    async with room.taken(project_id, size_bytes):
        entered.append(project_id)
        await leave.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_project_over_its_share_waits_and_delays_no_other() -> None:
    room, entered, leave = SendingRoom(), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(room, "a", PROJECT_BYTES // 2, entered, leave)) for _ in range(4)]
    await settle()
    assert entered == ["a", "a"]
    tasks.append(asyncio.create_task(hold(room, "b", PROJECT_BYTES, entered, leave)))
    await settle()
    assert entered == ["a", "a", "b"]
    leave.set()
    await asyncio.gather(*tasks)
    assert (entered, room.used_bytes) == (["a", "a", "b", "a", "a"], 0)


async def test_all_projects_together_have_an_end_and_who_stops_waiting_takes_nothing() -> None:
    room, entered, leave = SendingRoom(), list[str](), asyncio.Event()
    count = ROOM_BYTES // PROJECT_BYTES + 2
    tasks = [asyncio.create_task(hold(room, f"p{n}", PROJECT_BYTES, entered, leave)) for n in range(count)]
    await settle()
    assert len(entered) == count - 2
    tasks.pop().cancel()
    leave.set()
    await asyncio.gather(*tasks)
    assert (len(entered), room.used_bytes) == (count - 1, 0)


async def test_a_batch_that_is_larger_than_everything_is_sent_alone() -> None:
    room, entered, leave = SendingRoom(), list[str](), asyncio.Event()
    leave.set()
    await hold(room, "a", 2 * ROOM_BYTES, entered, leave)
    assert entered == ["a"]
