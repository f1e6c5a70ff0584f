"""End users of a project."""

import msgspec


class CustomerCount(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a customer's objects."""

    device_count: int


class CustomerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An end user."""

    id: str
    account: str
    name: str
    descr: str
    email: str
    mobile: str
    tags: dict[str, str]
    locale: str
    create_time: int  # ms
    count: CustomerCount
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts
