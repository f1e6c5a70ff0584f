"""What the checklist is made of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from thingstead.model.command import Command
from thingstead.model.device import Device, DeviceSession, DeviceView
from thingstead.model.device_log import DeviceLog
from thingstead.refusals import Reason
from thingstead.services.accounts.log_ins import UnknownLogIn
from thingstead.services.diagnosis.live_connections import LiveConnection
from thingstead.wire.rules.modbus import PolledGroup

DAY_MS = 24 * 3600 * 1000

CheckState = Literal["ok", "warn", "bad", "unknown"]


class Finding(NamedTuple):
    """The result of one check."""

    check: str
    state: CheckState
    code: str
    args: Mapping[str, Any] = MappingProxyType({})


class DeviceFacts(NamedTuple):
    """What is known of a device."""

    view: DeviceView
    session: DeviceSession | None
    live: LiveConnection | None
    connections: list[DeviceLog]  # newest first, as are the others
    rejected: list[DeviceLog]
    commands: list[Command]
    gateway: Device | None
    gateway_online: bool
    rivals: list[dict[str, str]]
    unknown_log_in: UnknownLogIn | None  # of the project
    modbus: list[PolledGroup]  # registers that the server asks it for
    polled: bool  # whether it does so now
    newest_ts: int  # ms: the greatest timestamp of its current values; 0: there are none
    now: int  # ms

    @property
    def reported(self) -> int:
        """When it reported last (ms); 0: never."""
        return self.view.active.get("attributes", 0)

    @property
    def heard(self) -> int:
        """When anything came from it last (ms); 0: never."""
        return max(self.view.active.values(), default=0)

    @property
    def over_http(self) -> bool:
        """Whether it reports without a connection."""
        return not self.view.online and not self.view.active.get("connect") and self.heard > 0

    @property
    def refused_log_in(self) -> DeviceLog | None:
        """The newest log-in that was refused."""
        return next((entry for entry in self.rejected if entry.body["topic"] == LOG_IN), None)

    @property
    def refused_today(self) -> list[DeviceLog]:
        """Messages of the last day that were refused, as a whole or in part."""
        since = self.now - DAY_MS
        return [entry for entry in self.rejected if entry.ts >= since and entry.body["topic"] != LOG_IN]


LOG_IN = "log-in"  # what the log of rejected messages calls a log-in


def reason_args(why: Reason) -> dict[str, Any]:
    """The arguments of a finding whose text names a reason: pages show the reason in words of their language."""
    return {"reason": why.message, "reason_code": why.code, "reason_args": dict(why.args)}


def reason_of_entry(entry: DeviceLog) -> Reason:
    """Why a message was refused: the reason of its first error, if it has any."""
    body = entry.body
    errors = body.get("errors") or []
    if not errors:
        return Reason(body.get("code", ""), body["reason"], body.get("args") or {})
    first = errors[0]
    field = f"{first['field']}: " if first.get("field") else ""
    return Reason(first.get("code", ""), f"{field}{first['message']}", first.get("args") or {})
