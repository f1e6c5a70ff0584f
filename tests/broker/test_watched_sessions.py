"""What a session opened is closed when its time is over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.registry.house import House
from thingstead.broker.apps.sessions import WatchedSessions
from thingstead.broker.net.tasks import Tasks
from thingstead.broker.net.upgrade import Upgrade, upgrade_of
from thingstead.errors import NotAuthenticated
from thingstead.model.browser_session import BrowserSession
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.accounts.browser_sessions import Browser
from thingstead.timers import Deadlines

PASSWORD = "correct horse battery"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Subscription:
    """Something that a session opened; it says why it was closed."""

    def __init__(self) -> None:
        self.reason = ""

    @property
    def connection(self) -> "Subscription":
        return self

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        self.reason = reason


class Watching:
    """Sessions of a project, and what watches them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.sessions = house.platform.browser_sessions
        self.deadlines = Deadlines(house.clock)
        self._tasks = Tasks()
        self.watched = WatchedSessions(self.sessions, house.bus, self.deadlines, house.clock, self._tasks)

    async def log_in(self, *, keep: bool = False) -> tuple[BrowserSession, str]:
        logged_in = await self.sessions.log_in("admin", PASSWORD, Browser("10.0.0.1"), keep=keep)
        return logged_in.person.session, logged_in.secret

    async def pass_time(self, ms: int) -> None:
        """The clock goes on, and what is due is done."""
        self.house.clock.advance(ms)
        self.deadlines.run_due()
        await self._tasks.close(10)

    def close(self) -> None:
        self.watched.close()
        self.deadlines.stop()


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    house = House(tmp_path / "thingstead.db")
    await house.open()
    await house.platform.projects.create(admin_password=PASSWORD)
    watching = Watching(house)
    yield watching
    watching.close()
    await house.close()


async def test_a_session_that_nobody_uses_closes_what_it_opened_when_it_expires(watching: Watching) -> None:
    session, _ = await watching.log_in()
    subscription = Subscription()
    watching.watched.watch(subscription, session)
    for _ in range(11):
        await watching.pass_time(HOUR_MS)
        assert subscription.reason == ""
    await watching.pass_time(HOUR_MS)
    assert subscription.reason == "the session has expired"


async def test_a_session_in_use_goes_on_and_ends_at_its_last_day(watching: Watching) -> None:
    session, secret = await watching.log_in()
    subscription = Subscription()
    watching.watched.watch(subscription, session)
    for _ in range(7 * 24 - 1):
        await watching.pass_time(HOUR_MS)
        await watching.sessions.authenticate(secret, "10.0.0.1")
        assert subscription.reason == ""
    await watching.pass_time(HOUR_MS)
    assert subscription.reason == "the session has expired"


async def test_what_left_is_not_looked_at_any_more(watching: Watching) -> None:
    session, _ = await watching.log_in()
    subscription = Subscription()
    watching.watched.watch(subscription, session)
    await watching.pass_time(0)
    watching.watched.left(subscription)
    watching.watched.left(subscription)
    await watching.pass_time(13 * HOUR_MS)
    assert subscription.reason == ""


async def test_a_session_that_ended_between_its_admission_and_the_watch_is_closed(watching: Watching) -> None:
    session, _ = await watching.log_in()
    await watching.sessions.end(session.project_id, session.admin_id, session.id)
    subscription = Subscription()
    watching.watched.watch(subscription, session)
    await watching.pass_time(0)
    assert subscription.reason == "the session has expired"


async def test_many_that_open_and_leave_leave_nothing_behind(watching: Watching) -> None:
    session, _ = await watching.log_in()
    for _ in range(1_000):
        subscription = Subscription()
        watching.watched.watch(subscription, session)
        watching.watched.left(subscription)
    await asyncio.sleep(0)
    assert len(watching.deadlines) < 100


async def test_a_cookie_of_plain_http_does_not_count_over_tls(watching: Watching) -> None:
    _, secret = await watching.log_in()
    name = await watching.sessions.cookie_name(secure=False)
    assert (await watching.watched.admit(Upgrade({name: secret}, secure=False, from_own_page=True))).session.admin_id
    for upgrade in (
        Upgrade({name: secret}, secure=True, from_own_page=True),
        Upgrade({f"__Host-{name}": secret}, secure=False, from_own_page=True),
        Upgrade({name: secret}, secure=False, from_own_page=False),
    ):
        with pytest.raises(NotAuthenticated):
            await watching.watched.admit(upgrade)


def test_of_the_cookies_of_a_browser_those_of_sessions_alone_are_kept() -> None:
    secret = "s" * 43
    others = b"; ".join(b"other%d=%s" % (n, b"x" * 500) for n in range(50))
    headers = [
        (b"host", b"a:8080"),
        (b"origin", b"http://a:8080"),
        (b"cookie", b"%s; thingstead_0123456789ab=%s; thingstead_ffff=short" % (others, secret.encode())),
    ]
    assert upgrade_of(headers, secure=False) == Upgrade({"thingstead_0123456789ab": secret}, False, True)
    assert upgrade_of(headers[:2], secure=False) is None
    assert upgrade_of([(b"cookie", others)], secure=False) is None
