"""The project, its statistics, and the keys of its planes."""

from collections.abc import Mapping, Sequence

from thingstead.client.call import Call, members
from thingstead.model.device import DevicesAlarmStat, DevicesStat
from thingstead.wire.audit import AuditPage
from thingstead.wire.common import Empty
from thingstead.wire.message_stat import MessageStatInfo
from thingstead.wire.projects import ConnectionInfo, ProjectInfo, ViewCredentials
from thingstead.wire.server import ServerInfo


def read() -> Call[ProjectInfo]:
    """The project."""
    return Call("GET", "/project", ProjectInfo)


def set_timezone(timezone: str) -> Call[ProjectInfo]:
    """Sets the time zone: ``+08:00``, or a name such as ``Asia/Shanghai``. For administrators."""
    return Call("PUT", "/project", ProjectInfo, {"timezone": timezone})


def update_info(
    *, name: str | None = None, descr: str | None = None, timezone: str | None = None, version: int | None = None
) -> Call[ProjectInfo]:
    """Changes the given members. For administrators."""
    return Call(
        "PUT", "/project/info", ProjectInfo, members(name=name, descr=descr, timezone=timezone, version=version)
    )


def put_tags(tags: Mapping[str, str]) -> Call[Empty]:
    """Adds or replaces tags; others stay. For administrators."""
    return Call("PUT", "/project/tags", Empty, {"tags": dict(tags)})


def remove_tags(keys: Sequence[str]) -> Call[Empty]:
    """Removes tags by key. For administrators."""
    return Call("POST", "/project/tags_remove", Empty, {"keys": list(keys)})


def devices_stat() -> Call[DevicesStat]:
    """Numbers of devices: all, online, active."""
    return Call("GET", "/devices_stat", DevicesStat)


def devices_alarm_stat() -> Call[DevicesAlarmStat]:
    """Numbers of devices by the level of their highest open alarm."""
    return Call("GET", "/devices_alarm_stat", DevicesAlarmStat)


def connection_info() -> Call[ConnectionInfo]:
    """ProjectKey and ProjectViewKey. For administrators."""
    return Call("GET", "/project/connection_info", ConnectionInfo)


def rotate_project_key(*, grace_days: float = 30) -> Call[ConnectionInfo]:
    """Creates a new ProjectKey; ``grace_days`` is how long the old one stays valid. For administrators."""
    return Call("POST", "/project/project_key_rotate", ConnectionInfo, {"grace_days": grace_days})


def reset_view_secret() -> Call[ViewCredentials]:
    """Creates a new ProjectViewSecret; the old one becomes invalid. For administrators."""
    return Call("POST", "/project/view_secret_reset", ViewCredentials)


def audit_logs(
    *,
    actor: str | None = None,
    object_type: str | None = None,
    object: str | None = None,
    action: str | None = None,
    start_time: int | None = None,
    end_time: int | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> Call[AuditPage]:
    """For administrators. The newest first; ``before`` is the ``next_before`` of the part before."""
    query = members(
        actor=actor,
        object_type=object_type,
        object=object,
        action=action,
        start_time=start_time,
        end_time=end_time,
        before=before,
        limit=limit,
    )
    return Call("GET", "/audit_logs", AuditPage, query=query)


def message_stat(
    *, start_time: int | None = None, end_time: int | None = None, interval: str | None = None
) -> Call[MessageStatInfo]:
    """Messages of the project in spans of time; by default of the last 24 hours by hour."""
    query = members(start_time=start_time, end_time=end_time, interval=interval)
    return Call("GET", "/message_stat", MessageStatInfo, query=query)


def server() -> Call[ServerInfo]:
    """For administrators. Version, ports, disk, memory and warnings of the server."""
    return Call("GET", "/server", ServerInfo)
