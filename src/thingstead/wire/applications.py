"""Applications and their keys."""

import msgspec

from thingstead.model.roles import ADMIN, Role


class ApplicationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An application, without its SecretKey."""

    id: str  # the AppID
    name: str
    access_key: str
    create_time: int  # ms
    role: Role = ADMIN
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class ApplicationCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an application. The SecretKey is shown only once."""

    id: str  # the AppID
    name: str
    access_key: str
    secret_key: str
