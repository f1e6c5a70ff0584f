"""A saved view of the list of devices."""

import msgspec


class SavedView(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of filters, with its order and columns."""

    id: str
    project_id: str
    admin_id: str  # the owner
    name: str
    query: str  # query string of the page
    shared: bool = False  # visible to all administrators of the project
    create_time: int  # ms
    version: int = 1  # incremented by each change
