"""A project (the tenant), its applications and its administrators."""

import hmac

import msgspec

from thingstead.model.roles import ADMIN, Role

Tags = dict[str, str]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project (tenant): owns devices, types, groups, customers, applications and administrators."""

    id: str
    name: str
    descr: str = ""
    tags: Tags = {}
    project_key: str  # half of every device certificate
    view_key: str  # ProjectViewKey: user name and topic prefix of the application plane
    view_secret_hash: bytes  # SHA-256 of ProjectViewSecret
    create_time: int  # ms
    previous_project_key: str | None = None  # before the last rotation
    previous_key_until: int = 0  # ms; until then devices may use it
    timezone: str = "+00:00"  # time zone of its calendar days: a UTC offset, or an IANA name

    def accepts_key(self, project_key: str, now: int) -> bool:
        """Whether it is the ProjectKey, or the previous one while that is valid. Constant-time comparison."""
        given = project_key.encode("utf-8", "surrogatepass")
        present = hmac.compare_digest(self.project_key.encode(), given)
        return present or self.accepts_previous_key(project_key, now)

    def accepts_previous_key(self, project_key: str, now: int) -> bool:
        """Whether it is the ProjectKey before the last rotation and still valid."""
        if self.previous_project_key is None or now >= self.previous_key_until:
            return False
        given = project_key.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self.previous_project_key.encode(), given)

    version: int = 1  # incremented by each change


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application of a project; its keys authenticate to the Project API."""

    id: str  # AppID
    project_id: str
    name: str
    access_key: str
    secret_hash: bytes  # SHA-256 of SecretKey, which has 238 random bits
    token_epoch: int = 0  # incremented by a reset; tokens of an older epoch are invalid
    create_time: int  # ms
    role: Role = ADMIN  # of its own tokens; administrators who log in through it use their own role
    version: int = 1  # incremented by each change


class Administrator(msgspec.Struct, frozen=True, kw_only=True):
    """A person who manages a project; logs in with ``admin_login``."""

    id: str
    project_id: str
    account: str  # unique in the project
    name: str = ""
    email: str = ""
    tags: Tags = {}
    password_hash: str  # argon2id, encoded
    token_epoch: int = 0  # incremented by a new password or role; tokens of an older epoch are invalid
    create_time: int  # ms
    role: Role = ADMIN
    last_login_at: int = 0  # ms; 0: never
    version: int = 1  # incremented by each change
