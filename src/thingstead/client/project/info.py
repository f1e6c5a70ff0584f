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


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """ProjectKey and ProjectViewKey."""

    project_key: str
    view_key: str


class ViewCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """ProjectViewKey and a new ProjectViewSecret, which is shown this once."""

    view_key: str
    view_secret: str


def read() -> Call[Project]:
    return Call("GET", "/project", Project)


def devices_stat() -> Call[DevicesStat]:
    return Call("GET", "/devices_stat", DevicesStat)


def devices_alarm_stat() -> Call[DevicesAlarmStat]:
    return Call("GET", "/devices_alarm_stat", DevicesAlarmStat)


def connection_info() -> Call[ConnectionInfo]:
    """For administrators."""
    return Call("GET", "/project/connection_info", ConnectionInfo)


def reset_view_secret() -> Call[ViewCredentials]:
    """For administrators. The old secret is void."""
    return Call("POST", "/project/view_secret_reset", ViewCredentials)
