"""Sessions of administrators in browsers."""

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, administrator
from thingstead.errors import NotFound
from thingstead.model import limits
from thingstead.model.browser_session import BrowserSession
from thingstead.storage.base import Store


def session(session_id: str, admin_id: str = "ours-admin", project_id: str = "ours", at: int = NOW) -> BrowserSession:
    return BrowserSession(
        id=session_id,
        secret_hash=session_id.encode(),
        project_id=project_id,
        admin_id=admin_id,
        keep=False,
        remote_address="10.0.0.1",
        user_agent="Firefox",
        created_at=at,
        last_seen_at=at,
        expires_at=at + 1_000_000,
    )


async def test_a_session_is_found_by_the_hash_of_its_secret_also_after_a_restart(
    backend: Backend, store: Store
) -> None:
    begun = session("s1")
    assert await store.browser_sessions.begin(begun) == []
    assert await store.browser_sessions.find(b"s1") == begun
    assert await store.browser_sessions.find(b"s2") is None
    assert await (await backend.reopen()).browser_sessions.find(b"s1") == begun


async def test_a_log_in_is_noted_with_its_administrator(store: Store) -> None:
    before = await store.accounts.find_administrator("ours-admin")
    assert before is not None
    await store.browser_sessions.begin(session("s1", at=NOW + 7))
    after = await store.accounts.find_administrator("ours-admin")
    assert after is not None
    assert (before.last_login_at, after.last_login_at) == (0, NOW + 7)


async def test_an_administrator_who_is_gone_begins_none(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.browser_sessions.begin(session("s1", "nobody"))
    assert await store.browser_sessions.find(b"s1") is None


async def test_sessions_of_an_administrator_are_listed_newest_first(store: Store) -> None:
    await store.accounts.create_administrator(administrator("other", account="other"))
    for made in (session("s1"), session("s2", at=NOW + 2), session("s3", at=NOW + 1), session("s4", "other")):
        await store.browser_sessions.begin(made)
    listed = await store.browser_sessions.list_of_administrator("ours", "ours-admin")
    assert [each.id for each in listed] == ["s2", "s3", "s1"]
    assert await store.browser_sessions.list_of_administrator("theirs", "ours-admin") == []
    assert await store.browser_sessions.count() == 4


async def test_a_new_session_takes_the_place_of_another_of_the_same_administrator_alone(store: Store) -> None:
    await store.browser_sessions.begin(session("theirs", "theirs-admin", "theirs"))
    await store.browser_sessions.begin(session("s1"))
    assert await store.browser_sessions.begin(session("s2"), replaces="theirs") == []
    assert await store.browser_sessions.begin(session("s3"), replaces="s1") == ["s1"]
    assert await store.browser_sessions.find(b"s1") is None
    assert await store.browser_sessions.find(b"theirs") is not None


async def test_what_has_expired_goes_with_the_next_log_in(store: Store) -> None:
    await store.browser_sessions.begin(session("s1"))
    await store.browser_sessions.begin(session("s2", at=NOW + 1))
    assert await store.browser_sessions.begin(session("s3", at=NOW + 1_000_000)) == ["s1"]


async def test_beyond_the_bound_of_an_administrator_the_one_unseen_the_longest_goes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(limits.ADMINISTRATOR_SESSIONS_COUNT):
        assert await store.browser_sessions.begin(session(f"s{n}", at=NOW + n)) == []
    first = await store.browser_sessions.find(b"s0")
    assert first is not None
    store.browser_sessions.touch(first, NOW + 1_000, NOW + 2_000_000, "10.0.0.9")
    assert await store.browser_sessions.begin(session("new", at=NOW + 500)) == ["s1"]


async def test_a_session_in_use_is_noted_at_once_and_on_disk(backend: Backend, store: Store) -> None:
    begun = session("s1")
    await store.browser_sessions.begin(begun)
    store.browser_sessions.touch(begun, NOW + 5, NOW + 2_000_000, "10.0.0.9")
    for opened in (store, await backend.reopen()):
        found = await opened.browser_sessions.find(b"s1")
        assert found is not None
        assert (found.last_seen_at, found.expires_at, found.remote_address) == (NOW + 5, NOW + 2_000_000, "10.0.0.9")


async def test_a_session_that_ended_stays_ended_whoever_uses_it_meanwhile(store: Store) -> None:
    begun = session("s1")
    await store.browser_sessions.begin(begun)
    assert await store.browser_sessions.find(b"s1") == begun
    await store.browser_sessions.end("ours", "ours-admin", "s1")
    assert await store.browser_sessions.find(b"s1") is None
    with pytest.raises(NotFound):
        await store.browser_sessions.end("ours", "ours-admin", "s1")


async def test_nobody_ends_the_session_of_somebody_else(store: Store) -> None:
    await store.browser_sessions.begin(session("s1"))
    for project_id, admin_id in (("theirs", "ours-admin"), ("ours", "theirs-admin")):
        with pytest.raises(NotFound):
            await store.browser_sessions.end(project_id, admin_id, "s1")
    assert await store.browser_sessions.find(b"s1") is not None


async def test_a_change_of_an_administrator_can_end_all_sessions_but_one(store: Store) -> None:
    await store.browser_sessions.begin(session("theirs", "theirs-admin", "theirs"))
    for session_id in ("s1", "s2", "s3"):
        await store.browser_sessions.begin(session(session_id))
        assert await store.browser_sessions.find(session_id.encode()) is not None
    changes = {"password_hash": "another"}
    assert await store.accounts.update_administrator("ours", "ours-admin", {"name": "A"}) == []
    ended = await store.accounts.update_administrator("ours", "ours-admin", changes, ends_sessions_but="s2")
    assert sorted(ended) == ["s1", "s3"]
    found = [await store.browser_sessions.find(each) for each in (b"s1", b"s2", b"s3", b"theirs")]
    assert [each is not None for each in found] == [False, True, False, True]


async def test_the_sessions_of_an_administrator_end_with_it(store: Store) -> None:
    await store.accounts.create_administrator(administrator("other", account="other"))
    await store.browser_sessions.begin(session("s1", "other"))
    assert await store.browser_sessions.find(b"s1") is not None
    assert await store.accounts.delete_administrator("ours", "other") == ["s1"]
    assert await store.browser_sessions.find(b"s1") is None


async def test_all_of_them_end_in_the_commit_that_replaces_the_secret_of_tokens(store: Store) -> None:
    await store.browser_sessions.begin(session("s1"))
    await store.browser_sessions.begin(session("theirs", "theirs-admin", "theirs"))
    assert None not in [await store.browser_sessions.find(each) for each in (b"s1", b"theirs")]
    secret = await store.projects.server_secret("token")
    await store.projects.renew_token_secret()
    assert await store.projects.server_secret("token") != secret
    assert [await store.browser_sessions.find(each) for each in (b"s1", b"theirs")] == [None, None]
    assert await store.browser_sessions.count() == 0


async def test_administrators_of_all_projects_are_found_by_account_the_last_log_in_first(store: Store) -> None:
    await store.accounts.create_administrator(administrator("a", account="Root"))
    await store.accounts.create_administrator(administrator("b", "theirs", account="root"))
    found = await store.accounts.list_administrators_by_account("ROOT", 8)
    assert sorted(each.id for each in found) == ["a", "b"]
    await store.browser_sessions.begin(session("s1", "b", "theirs"))
    found = await store.accounts.list_administrators_by_account("root", 8)
    assert [each.id for each in found] == ["b", "a"]
    assert [each.id for each in await store.accounts.list_administrators_by_account("root", 1)] == ["b"]
    assert await store.accounts.list_administrators_by_account("nobody", 8) == []
