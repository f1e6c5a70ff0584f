"""Applications of type API. For administrators only."""

import msgspec

from thingstead.client.call import Call, Nothing, Page
from thingstead.client.http import segment


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application, without its SecretKey."""

    id: str  # the AppID
    name: str
    access_key: str
    create_time: int  # ms


class NewKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an application; the SecretKey is shown only once."""

    id: str  # the AppID
    name: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"NewKeys({self.id})"


def list_all() -> Call[Page[Application]]:
    """All of them, oldest first."""
    return Call("GET", "/applications", Page[Application])


def create(name: str) -> Call[NewKeys]:
    return Call("POST", "/application", NewKeys, {"name": name})


def read(app_id: str) -> Call[Application]:
    return Call("GET", f"/application/{segment(app_id)}", Application)


def delete(app_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/application/{segment(app_id)}", Nothing)


def rename(app_id: str, name: str) -> Call[Nothing]:
    return Call("PUT", f"/application/{segment(app_id)}/info", Nothing, {"name": name})


def reset_secret(app_id: str) -> Call[NewKeys]:
    """The old keys, and the tokens obtained with them, are void at once."""
    return Call("POST", f"/application/{segment(app_id)}/secret_reset", NewKeys)
