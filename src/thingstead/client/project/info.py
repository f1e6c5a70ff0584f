"""The project, its statistics, and the keys of its planes."""

import msgspec

from thingstead.client.call import Call
from thingstead.model.device import DevicesAlarmStat, DevicesStat


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The project of the caller."""

    id: str
    name: str
    descr: str = ""
    tags: dict[str, str] = {}
    timezone: str = "+00:00"


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """ProjectKey and ProjectViewKey; the ProjectKey before the last rotation, while devices may still use it, and until
    when (ms)."""

    project_key: str
    view_key: str
    previous_project_key: str | None = None
    previous_key_until: int | None = None


class ViewCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """ProjectViewKey and a new ProjectViewSecret, which is shown only once."""

    view_key: str
    view_secret: str


def read() -> Call[Project]:
    return Call("GET", "/project", Project)


def set_timezone(timezone: str) -> Call[Project]:
    """For administrators. ``+08:00``, or a name such as ``Asia/Shanghai``."""
    return Call("PUT", "/project", Project, {"timezone": timezone})


def devices_stat() -> Call[DevicesStat]:
    return Call("GET", "/devices_stat", DevicesStat)


def devices_alarm_stat() -> Call[DevicesAlarmStat]:
    return Call("GET", "/devices_alarm_stat", DevicesAlarmStat)


def connection_info() -> Call[ConnectionInfo]:
    """For administrators."""
    return Call("GET", "/project/connection_info", ConnectionInfo)


def rotate_project_key(*, grace_days: float = 30) -> Call[ConnectionInfo]:
    """For administrators. ``grace_days``: for how long devices may use the old key."""
    return Call("POST", "/project/project_key_rotate", ConnectionInfo, {"grace_days": grace_days})


def reset_view_secret() -> Call[ViewCredentials]:
    """For administrators. The old secret is void."""
    return Call("POST", "/project/view_secret_reset", ViewCredentials)
