"""A list of devices that somebody looks at again and again."""

import msgspec


class SavedView(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of filters, with its order and columns."""

    id: str
    project_id: str
    admin_id: str  # whose it is
    name: str
    query: str  # as it stands in the address of the page
    shared: bool = False  # everybody in the project sees it
    create_time: int  # ms
    version: int = 1  # counts its changes
