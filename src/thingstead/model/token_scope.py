"""What a scoped token opens: some devices, kinds of their messages, and reads of them."""

from collections.abc import Collection
from typing import Literal

import msgspec

ScopedTopic = Literal["attributes", "event", "command", "data", "alarm", "online"]
ScopedRead = Literal["attributes", "history", "events", "alarms"]

SCOPED_TOKEN_PREFIX = "st."  # noqa: S105  # marks the kind of a token and is no secret
SCOPED_TOKEN_BYTES = 8_192
SCOPE_DEVICES_COUNT = 100
SCOPE_TYPES_COUNT = 20
SCOPE_GROUPS_COUNT = 20
SCOPED_LIFE_S = 3_600
SCOPED_LIFE_MAX_S = 86_400
SCOPED_FILTERS_COUNT = 20  # topic filters of one connection
SCOPED_CONNECTIONS_COUNT = 100  # of one token


class TokenScope(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A device is in scope if it is named, is of a named type, or is in a named group itself."""

    devices: tuple[str, ...] = ()  # ids
    types: tuple[str, ...] = ()  # ids
    groups: tuple[str, ...] = ()  # ids; devices of their subgroups are not in scope
    topics: tuple[ScopedTopic, ...] = ()  # third levels of topics of application subscriptions
    reads: tuple[ScopedRead, ...] = ()  # reads of the Project API

    def holds(self, device_id: str, type_id: str | None, group_ids: Collection[str]) -> bool:
        """Whether a device is in scope."""
        if device_id in self.devices or (type_id is not None and type_id in self.types):
            return True
        return any(group_id in self.groups for group_id in group_ids)
