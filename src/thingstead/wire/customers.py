"""End users of a project."""

import msgspec


class CustomerCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer has."""

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
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read
