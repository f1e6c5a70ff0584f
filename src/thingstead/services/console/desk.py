"""Search, saved views and preferences of the console."""

from typing import Any

import msgspec

from thingstead.clock import Clock
from thingstead.errors import InvalidInput
from thingstead.model import ids, limits
from thingstead.model.console.saved_view import SavedView
from thingstead.model.limits import Problems
from thingstead.model.versions import of_version
from thingstead.storage.base import Store
from thingstead.wire.search import SearchInfo


class DeskService:
    """Saved views and preferences of administrators, and the search in a project."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def search(self, project_id: str, text: str, limit: int) -> SearchInfo:
        """Devices, types, groups, customers, alarm rules and notify groups that contain the text."""
        return await self._store.desk.search(project_id, text, limit)

    async def list_views(self, project_id: str, admin_id: str) -> list[SavedView]:
        """Own and shared views, oldest first."""
        return await self._store.desk.list_views(project_id, admin_id)

    async def create_view(self, project_id: str, admin_id: str, name: str, query: str, *, shared: bool) -> SavedView:
        """Raises InvalidInput if a text is invalid, Conflict if the administrator has reached the limit of views."""
        _check(name, query)
        view = SavedView(
            id=ids.new_id(),
            project_id=project_id,
            admin_id=admin_id,
            name=name,
            query=query,
            shared=shared,
            create_time=self._clock.now_ms(),
        )
        await self._store.desk.create_view(view, limits.VIEWS_COUNT)
        return view

    async def update_view(
        self, project_id: str, admin_id: str, view_id: str, changes: dict[str, Any], version: int | None
    ) -> None:
        """Changes the given members of an own view.

        Raises:
            InvalidInput: nothing is given, or a text is invalid.
            Conflict: it has another version.
        """
        if not changes:
            raise InvalidInput("give_one_of", members=["name", "query", "shared"])
        _check(changes.get("name"), changes.get("query"))
        await self._store.desk.update_view(project_id, admin_id, view_id, of_version(changes, version))

    async def delete_view(self, project_id: str, admin_id: str, view_id: str, *, any_owner: bool) -> None:
        """Removes an own view; with ``any_owner`` also a shared view of another administrator."""
        await self._store.desk.delete_view(project_id, admin_id, view_id, any_owner=any_owner)

    async def preferences(self, admin_id: str) -> msgspec.Raw:
        """The stored preferences; ``{}`` if there are none."""
        return msgspec.Raw(await self._store.desk.preferences(admin_id))

    async def keep_preferences(self, admin_id: str, preferences: dict[str, Any]) -> None:
        """Replaces the preferences. Raises InvalidInput if they exceed PREFERENCES_BYTES."""
        body = msgspec.json.encode(preferences)
        if len(body) > limits.PREFERENCES_BYTES:
            raise InvalidInput("preferences_too_large", maximum=limits.PREFERENCES_BYTES)
        await self._store.desk.keep_preferences(admin_id, body)


def _check(name: str | None, query: str | None) -> None:
    problems = Problems()
    if name is not None:
        problems.name(name)
    if query is not None:
        problems.text("query", query, limits.VIEW_QUERY_LENGTH)
    problems.refuse()
