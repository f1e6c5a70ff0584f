"""Applications and administrators."""

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, administrator, application, customer
from thingstead.errors import Conflict, NotFound
from thingstead.storage.base import Store


async def test_an_application_is_found_by_its_id(store: Store) -> None:
    added = application("app-2")

    await store.accounts.create_application(added)

    assert await store.accounts.find_application("app-2") == added
    assert await store.accounts.find_application("app-3") is None


async def test_an_app_id_is_unique_in_the_server(store: Store) -> None:
    with pytest.raises(Conflict) as refusal:
        await store.accounts.create_application(application("ours-app", "theirs"))

    assert refusal.value.errors[0].field == "id"


async def test_applications_of_a_project_are_listed_oldest_first(store: Store) -> None:
    await store.accounts.create_application(application("a-young", create_time=NOW + 1))
    await store.accounts.create_application(application("z-old", create_time=NOW - 1))

    listed = await store.accounts.list_applications("ours")

    assert [item.id for item in listed] == ["z-old", "ours-app", "a-young"]


async def test_a_change_of_an_application_is_seen_at_once(backend: Backend, store: Store) -> None:
    before = await store.accounts.find_application("ours-app")
    assert before is not None

    await store.accounts.update_application("ours", "ours-app", {"secret_hash": b"2", "token_epoch": 1})

    after = await store.accounts.find_application("ours-app")
    assert after is not None
    assert (after.secret_hash, after.token_epoch, after.name) == (b"2", 1, before.name)
    assert await (await backend.reopen()).accounts.find_application("ours-app") == after


async def test_a_removed_application_is_gone_at_once(store: Store) -> None:
    await store.accounts.create_application(application("app-2"))
    await store.accounts.find_application("app-2")

    await store.accounts.delete_application("ours", "app-2")

    assert await store.accounts.find_application("app-2") is None


async def test_the_last_application_of_a_project_stays(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.accounts.delete_application("ours", "ours-app")

    assert await store.accounts.find_application("ours-app") is not None


async def test_an_application_of_another_project_is_out_of_reach(store: Store) -> None:
    await store.accounts.create_application(application("app-2", "theirs"))

    with pytest.raises(NotFound):
        await store.accounts.update_application("ours", "app-2", {"name": "stolen"})
    with pytest.raises(NotFound):
        await store.accounts.delete_application("ours", "app-2")

    assert await store.accounts.find_application("app-2") == application("app-2", "theirs")


async def test_an_administrator_is_found_by_id_and_by_account(store: Store) -> None:
    added = administrator("admin-2", account="root", name="Root", tags={"team": "ops"})

    await store.accounts.create_administrator(added)

    assert await store.accounts.find_administrator("admin-2") == added
    assert await store.accounts.find_administrator_by_account("ours", "root") == added
    assert await store.accounts.find_administrator_by_account("theirs", "root") is None
    assert await store.accounts.find_administrator("admin-3") is None


async def test_an_account_is_unique_in_its_project_only(store: Store) -> None:
    await store.accounts.create_administrator(administrator("admin-2", account="root"))
    await store.accounts.create_administrator(administrator("admin-3", "theirs", account="root"))

    with pytest.raises(Conflict) as refusal:
        await store.accounts.create_administrator(administrator("admin-4", account="root"))

    assert refusal.value.errors[0].field == "account"


async def test_administrators_of_a_project_are_listed_oldest_first(store: Store) -> None:
    await store.accounts.create_administrator(administrator("a-young", create_time=NOW + 1))

    listed = await store.accounts.list_administrators("ours")

    assert [item.id for item in listed] == ["ours-admin", "a-young"]


async def test_a_change_of_an_administrator_is_seen_at_once(backend: Backend, store: Store) -> None:
    await store.accounts.find_administrator("ours-admin")

    await store.accounts.update_administrator("ours", "ours-admin", {"password_hash": "new", "token_epoch": 1})

    after = await store.accounts.find_administrator("ours-admin")
    assert after is not None
    assert (after.password_hash, after.token_epoch) == ("new", 1)
    assert await (await backend.reopen()).accounts.find_administrator("ours-admin") == after


async def test_the_last_administrator_of_a_project_stays(store: Store) -> None:
    await store.accounts.create_administrator(administrator("admin-2"))
    await store.accounts.find_administrator("ours-admin")

    await store.accounts.delete_administrator("ours", "ours-admin")
    with pytest.raises(Conflict):
        await store.accounts.delete_administrator("ours", "admin-2")

    assert await store.accounts.find_administrator("ours-admin") is None
    assert await store.accounts.find_administrator("admin-2") is not None


async def test_an_administrator_of_another_project_is_out_of_reach(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.accounts.update_administrator("ours", "theirs-admin", {"name": "stolen"})
    with pytest.raises(NotFound):
        await store.accounts.delete_administrator("ours", "theirs-admin")

    assert await store.accounts.find_administrator("theirs-admin") == administrator("theirs-admin", "theirs")


async def test_accounts_that_look_the_same_are_one(store: Store) -> None:
    given = administrator("m1", account="José")
    await store.accounts.create_administrator(given)
    await store.customers.create(customer("c1", account="José"))
    for number, alike in enumerate(("josé", "JOSE\u0301", "Jоsé")):
        with pytest.raises(Conflict):
            await store.accounts.create_administrator(administrator(f"x{number}", account=alike))
        with pytest.raises(Conflict):
            await store.customers.create(customer(f"x{number}", account=alike))
        assert await store.accounts.find_administrator_by_account("ours", alike) == given
    assert await store.accounts.find_administrator_by_account("ours", "jose") is None
    await store.accounts.create_administrator(administrator("m2", "theirs", account="josé"))
