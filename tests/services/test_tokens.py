"""Tokens are remembered within a bound, and what is remembered never outlives what it stands for."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.stores import open_store
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.config import AccountSettings
from thingstead.errors import NotAuthenticated
from thingstead.services.accounts.accounts import AccountService
from thingstead.services.accounts.passwords import Passwords
from thingstead.services.accounts.tokens import Caller, TokenService
from thingstead.services.registry.projects import Credentials, ProjectService
from thingstead.storage.sqlite.store import SqliteStore


class Setting:
    """A project, and what logs into it."""

    def __init__(self, store: SqliteStore, clock: ManualClock) -> None:
        self.passwords = Passwords(memory_kib=8_192, passes=1)
        self.store = store
        self.clock = clock
        self.accounts = AccountService(store, LocalBus(), clock, self.passwords)
        self.tokens = self.new_service()
        self.credentials: Credentials

    def new_service(self, settings: AccountSettings | None = None) -> TokenService:
        """As another node has it, or this one after a restart."""
        return TokenService(self.store, self.clock, self.passwords, settings)

    async def log_in(self) -> str:
        keys = self.credentials
        return await self.tokens.log_in_application(keys.app_id, keys.access_key, keys.secret_key, "10.0.0.1")


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    clock = ManualClock()
    store = await open_store(tmp_path / "thingstead.db", clock)
    setting = Setting(store, clock)
    setting.credentials = await ProjectService(store, LocalBus(), clock, setting.passwords).create()
    yield setting
    await store.close()


async def test_a_token_says_whom_it_stands_for(setting: Setting) -> None:
    caller = await setting.tokens.authenticate(await setting.log_in())
    assert caller == Caller(setting.credentials.project_id, setting.credentials.app_id, None, "admin")


async def test_another_node_accepts_the_token(setting: Setting) -> None:
    token = await setting.log_in()
    assert await setting.new_service().authenticate(token) == await setting.tokens.authenticate(token)


async def test_every_node_refuses_a_token_that_it_remembers_once_its_application_is_reset(setting: Setting) -> None:
    token = await setting.log_in()
    nodes = (setting.tokens, setting.new_service())
    for node in nodes:
        await node.authenticate(token)
    await setting.accounts.reset_application(setting.credentials.project_id, setting.credentials.app_id)
    for node in nodes:
        with pytest.raises(NotAuthenticated):
            await node.authenticate(token)


async def test_two_resets_within_one_millisecond_both_end_tokens(setting: Setting) -> None:
    project_id, app_id = setting.credentials.project_id, setting.credentials.app_id
    for _ in range(2):
        token = await setting.log_in()
        new = await setting.accounts.reset_application(project_id, app_id)
        with pytest.raises(NotAuthenticated):
            await setting.tokens.authenticate(token)
        setting.credentials = msgspec.structs.replace(
            setting.credentials, access_key=new.application.access_key, secret_key=new.secret_key
        )


async def test_a_remembered_token_still_expires(setting: Setting) -> None:
    token = await setting.log_in()
    await setting.tokens.authenticate(token)
    setting.clock.advance(AccountSettings().access_token_life_s * 1000)
    with pytest.raises(NotAuthenticated):
        await setting.tokens.authenticate(token)


async def test_no_more_tokens_are_remembered_than_the_limit(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting.tokens._verified, "limit", 3)
    given = []
    for _ in range(8):
        setting.clock.advance(1)  # so that each token is another one
        given.append(await setting.log_in())
    for token in given * 2:
        await setting.tokens.authenticate(token)
        assert setting.tokens.remembered <= 3
    assert setting.tokens.remembered == 3


async def test_what_was_refused_is_not_remembered(setting: Setting) -> None:
    for number in range(100):
        with pytest.raises(NotAuthenticated):
            await setting.tokens.authenticate(f"guess{number}")
    assert setting.tokens.remembered == 0


async def test_the_life_of_a_token_is_a_setting(setting: Setting) -> None:
    setting.tokens = setting.new_service(AccountSettings(access_token_life_s=60))
    token = await setting.log_in()
    setting.clock.advance(59_999)
    await setting.tokens.authenticate(token)
    setting.clock.advance(1)
    with pytest.raises(NotAuthenticated):
        await setting.tokens.authenticate(token)
