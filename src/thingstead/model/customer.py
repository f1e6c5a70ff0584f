"""An end user (用户) of a project, to whom devices can be bound."""

import msgspec

from thingstead.model.project import Tags


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """An end user with an account; ``account`` is unique in the project."""

    id: str
    project_id: str
    account: str
    name: str
    password_hash: str  # argon2id, encoded
    descr: str = ""
    email: str = ""
    mobile: str = ""
    tags: Tags = {}
    locale: str = ""
    create_time: int  # ms
    device_count: int = 0  # devices bound; filled when read
    version: int = 1  # incremented by each change
