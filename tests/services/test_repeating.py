"""Work in the background that is done again and again."""

import asyncio

from structlog.testing import capture_logs

from thingstead.errors import Unavailable
from thingstead.repeating import Repeating

LONG_S = 3600


class Work:
    """Fails for a full disk, then by a bug, then no more."""

    def __init__(self) -> None:
        self.runs = 0
        self.succeeded = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs == 1:
            raise Unavailable("the disk is full")
        if self.runs == 2:
            raise ZeroDivisionError
        self.succeeded.set()


async def reached(event: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await event.wait()


async def test_work_that_fails_is_logged_and_done_again() -> None:
    work = Work()
    repeating = Repeating("some work", work, 0.001)
    with capture_logs() as logs:
        repeating.start()
        await reached(work.succeeded)
        await repeating.close()
    assert [(log["work"], log["error"]) for log in logs] == [
        ("some work", "the disk is full"),
        ("some work", "ZeroDivisionError: "),
    ]
    assert repeating.failures == 2


async def test_an_attempt_tells_whether_it_succeeded_and_the_last_one_counts() -> None:
    repeating = Repeating("some work", Work(), LONG_S)
    outcomes = [(await repeating.attempt(), repeating.failure) for _ in range(3)]
    assert outcomes == [(False, "the disk is full"), (False, "ZeroDivisionError: "), (True, None)]


async def test_work_comes_when_it_is_wanted_and_at_the_start_only_where_it_shall() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    at_start = Repeating("some work", work, LONG_S, at_start=True)
    at_start.start()
    await reached(done)
    await at_start.close()
    done.clear()
    later = Repeating("some work", work, LONG_S)
    later.start()
    await asyncio.sleep(0)
    assert not done.is_set()
    later.want()
    await reached(done)
    await later.close()


async def test_there_is_one_task_and_closing_ends_it() -> None:
    repeating = Repeating("some work", Work(), LONG_S)
    await repeating.close()  # before it began: nothing happens
    repeating.start()
    task = repeating._task
    repeating.start()
    assert repeating._task is task, "it runs already"
    await repeating.close()
    assert task is not None
    assert task.cancelled()
