"""A project (the tenant), its applications and its administrators."""

import msgspec

Tags = dict[str, str]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant: owns devices, types, groups, customers, applications and administrators."""

    id: str
    name: str
    descr: str = ""
    tags: Tags = {}
    project_key: str  # half of every device certificate
    view_key: str  # ProjectViewKey: user name and topic prefix of the application plane
    view_secret_hash: bytes  # SHA-256 of ProjectViewSecret
    create_time: int  # ms


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """A project application of type API; its keys open the Project API."""

    id: str  # AppID
    project_id: str
    name: str
    access_key: str
    secret_hash: bytes  # SHA-256 of SecretKey, which has 238 random bits
    token_epoch: int = 0  # raised by a reset; tokens of an older epoch are void
    create_time: int  # ms


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """A person who manages a project; logs in with ``admin_login``."""

    id: str
    project_id: str
    account: str  # unique in the project
    name: str = ""
    email: str = ""
    tags: Tags = {}
    password_hash: str  # argon2id, encoded
    token_epoch: int = 0  # raised by a new password; tokens of an older epoch are void
    create_time: int  # ms
