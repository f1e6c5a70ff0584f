"""Applications of type API. For administrators only."""

from thingstead.client.call import Call
from thingstead.client.http import segment
from thingstead.wire.applications import ApplicationInfo, ApplicationKeys
from thingstead.wire.common import Empty, Listed


def list_all() -> Call[Listed[ApplicationInfo]]:
    """All of them, oldest first."""
    return Call("GET", "/applications", Listed[ApplicationInfo])


def create(name: str) -> Call[ApplicationKeys]:
    return Call("POST", "/application", ApplicationKeys, {"name": name})


def read(app_id: str) -> Call[ApplicationInfo]:
    return Call("GET", f"/application/{segment(app_id)}", ApplicationInfo)


def delete(app_id: str) -> Call[Empty]:
    return Call("DELETE", f"/application/{segment(app_id)}", Empty)


def rename(app_id: str, name: str) -> Call[Empty]:
    return Call("PUT", f"/application/{segment(app_id)}/info", Empty, {"name": name})


def reset_secret(app_id: str) -> Call[ApplicationKeys]:
    """The old keys, and the tokens obtained with them, are void at once."""
    return Call("POST", f"/application/{segment(app_id)}/secret_reset", ApplicationKeys)
