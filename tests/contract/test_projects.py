"""Projects and server secrets."""

import asyncio

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, project_of
from thingstead.errors import Conflict, NotFound
from thingstead.storage.base import Store


async def test_a_project_comes_with_its_first_application_and_administrator(store: Store) -> None:
    project, application, administrator = project_of("third")

    await store.projects.create(project, application, administrator)

    assert await store.projects.get("third") == project
    assert await store.accounts.list_applications("third") == [application]
    assert await store.accounts.list_administrators("third") == [administrator]


async def test_a_project_whose_application_is_refused_is_not_created(store: Store) -> None:
    project, _, administrator = project_of("third")
    taken = (await store.accounts.list_applications("ours"))[0]

    with pytest.raises(Conflict) as refusal:
        await store.projects.create(project, taken, administrator)

    assert refusal.value.errors[0].field == "id"
    with pytest.raises(NotFound):
        await store.projects.get("third")
    assert await store.accounts.find_administrator(administrator.id) is None


@pytest.mark.parametrize("key", ["project_key", "view_key"])
async def test_a_taken_key_of_a_project_is_a_conflict_that_names_it(store: Store, key: str) -> None:
    with pytest.raises(Conflict) as refusal:
        await store.projects.update("theirs", {key: getattr(await store.projects.get("ours"), key)})

    assert refusal.value.errors[0].field == key


async def test_a_project_is_found_by_its_keys(store: Store) -> None:
    ours = await store.projects.get("ours")

    assert await store.projects.find_by_view_key("ours-view") == ours
    assert await store.projects.find_by_project_key("ours-key") == ours
    assert await store.projects.find_by_view_key("ours-key") is None
    assert await store.projects.find_by_project_key("ours-view") is None


async def test_projects_are_listed_oldest_first(store: Store) -> None:
    project, application, administrator = project_of("a-younger")
    await store.projects.create(replace(project, create_time=NOW + 1), application, administrator)

    assert [project.id for project in await store.projects.list_all()] == ["ours", "theirs", "a-younger"]


async def test_an_update_of_a_project_is_seen_by_the_next_read_and_after_a_restart(
    backend: Backend, store: Store
) -> None:
    await store.projects.get("ours")

    await store.projects.update("ours", {"name": "Renamed", "tags": {"k": "v"}, "view_secret_hash": b"new"})

    project = await store.projects.get("ours")
    assert (project.name, project.tags, project.view_secret_hash) == ("Renamed", {"k": "v"}, b"new")
    assert await (await backend.reopen()).projects.get("ours") == project


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.projects.get("third")
    with pytest.raises(NotFound):
        await store.projects.update("third", {"name": "x"})
    with pytest.raises(NotFound):
        await store.projects.update("third", {})


async def test_members_that_never_change_are_refused_by_an_update(store: Store) -> None:
    with pytest.raises(ValueError, match="create_time"):
        await store.projects.update("ours", {"create_time": 1})
    with pytest.raises(ValueError, match="no_member"):
        await store.projects.update("ours", {"no_member": 1})


async def test_a_server_secret_is_made_once_and_kept(backend: Backend, store: Store) -> None:
    first, again = await asyncio.gather(store.projects.server_secret("token"), store.projects.server_secret("token"))

    assert first == again
    assert len(first) == 32
    assert await store.projects.server_secret("other") != first
    assert await (await backend.reopen()).projects.server_secret("token") == first


async def test_a_server_secret_that_is_renewed_is_another_one_that_is_kept(backend: Backend, store: Store) -> None:
    first = await store.projects.server_secret("token")
    await store.projects.renew_token_secret()
    second = await store.projects.server_secret("token")
    assert second != first
    assert await (await backend.reopen()).projects.server_secret("token") == second


async def test_a_project_is_found_by_the_key_before_its_rotation_too(backend: Backend, store: Store) -> None:
    rotated = {"project_key": "new", "previous_project_key": "ours-key", "previous_key_until": NOW + 1}
    await store.projects.update("ours", rotated)
    for key in ("new", "ours-key"):
        assert await store.projects.find_by_project_key(key) == await store.projects.get("ours")
    found = await (await backend.reopen()).projects.find_by_project_key("ours-key")
    assert found is not None
    assert (found.project_key, found.previous_project_key, found.previous_key_until) == ("new", "ours-key", NOW + 1)
