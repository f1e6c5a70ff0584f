"""Which devices: the filters that lists, changes of many devices and tasks share, as callers write them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.errors import InvalidInput
from thingstead.model import limits
from thingstead.model.device import AlarmFilter, DeviceExclusion, DeviceFilter, TagReading
from thingstead.model.values.unicode_text import normal


class DeviceSelection(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of devices; all given filters must match."""

    type: Annotated[str, Meta(description="Only devices of this device type (id).")] | None = None
    group: Annotated[str, Meta(description="Only devices in this group (id).")] | None = None
    groups: (
        Annotated[str, Meta(description="Only devices in any of these groups (ids, comma-separated), or in `group`.")]
        | None
    ) = None
    include_sub_groups: Annotated[bool, Meta(description="1: including devices in their subgroups.")] = False
    keyword: (
        Annotated[
            str,
            Meta(
                max_length=limits.KEYWORD_LENGTH,
                description="Extension: part of the name, descr, device_key, id or device_code, in any case.",
            ),
        ]
        | None
    ) = None
    online: Annotated[bool, Meta(description="Extension: 1: only online devices, 0: only offline devices.")] | None = (
        None
    )
    active: (
        Annotated[bool, Meta(description="Extension: 1: only devices with a message within 24 hours, 0: the others.")]
        | None
    ) = None
    alarm_level: (
        Annotated[
            AlarmFilter,
            Meta(description="Extension: the level of the highest open alarm: `1`, `2`, `3`, `any` or `none`."),
        ]
        | None
    ) = None
    tag: (
        Annotated[
            list[str],
            Meta(description="Extension: `key`, or `key:value`; both may contain colons. Several must all match."),
        ]
        | None
    ) = None
    gateway: Annotated[str, Meta(description="Extension: only sub-devices of this gateway (id).")] | None = None
    customer: Annotated[str, Meta(description="Extension: only devices bound to this customer (id).")] | None = None
    conn_type: (
        Annotated[str, Meta(description="Extension: `1` direct devices, `2` sub-devices, `3` gateways, by their type.")]
        | None
    ) = None
    protocol: (
        Annotated[str, Meta(description="Extension: protocol of the live connection: `mqtt`, `tcp`, or `gateway`.")]
        | None
    ) = None
    ids: Annotated[str, Meta(description="Extension: only these devices (ids, comma-separated).")] | None = None
    not_type: Annotated[str, Meta(description="Extension: not devices of these device types (ids).")] | None = None
    not_group: Annotated[str, Meta(description="Extension: not devices in these groups (ids).")] | None = None
    not_customer: Annotated[str, Meta(description="Extension: not devices bound to these customers (ids).")] | None = (
        None
    )
    not_gateway: Annotated[str, Meta(description="Extension: not sub-devices of these gateways (ids).")] | None = None
    not_tag: (
        Annotated[list[str], Meta(description="Extension: not devices with these tags, in the format of `tag`.")] | None
    ) = None
    not_alarm_level: (
        Annotated[AlarmFilter, Meta(description="Extension: not devices that match this value of `alarm_level`.")]
        | None
    ) = None

    def to_filter(self) -> DeviceFilter:
        """The filter of the store."""
        return DeviceFilter(
            type_id=self.type,
            group_ids=self._groups(),
            include_sub_groups=self.include_sub_groups,
            keyword=self.keyword,
            online=self.online,
            active=self.active,
            alarm=self.alarm_level,
            tags=tuple(readings_of_tag(text) for text in self.tag or ()),
            gateway_id=self.gateway,
            customer_id=self.customer,
            conn_type=self.conn_type,
            protocol=self.protocol,
            ids=names_of(self.ids),
            excluded=DeviceExclusion(
                type_ids=names_of(self.not_type),
                group_ids=names_of(self.not_group),
                customer_ids=names_of(self.not_customer),
                gateway_ids=names_of(self.not_gateway),
                tags=tuple(readings_of_tag(text) for text in self.not_tag or ()),
                alarm=self.not_alarm_level,
            ),
        )

    def _groups(self) -> tuple[str, ...]:
        groups = sorted({*names_of(self.group), *names_of(self.groups)})
        if len(groups) > limits.GROUP_FILTER_COUNT:
            raise InvalidInput.field("groups", "too_many_groups_named", maximum=limits.GROUP_FILTER_COUNT)
        return tuple(groups)


def names_of(text: str | None) -> tuple[str, ...]:
    """Non-empty names in a comma-separated list, in their order."""
    named = [name.strip() for name in (text or "").split(",")]
    return tuple(dict.fromkeys(name for name in named if name))


def readings_of_tag(text: str) -> tuple[TagReading, ...]:
    """Possible meanings of ``key`` or ``key:value``, because both may contain colons; the split at the first colon
    comes first."""
    text = normal(text)
    colons = [index for index, character in enumerate(text[: limits.TAG_KEY_LENGTH + 1]) if character == ":"]
    readings: list[TagReading] = [(text[:index], text[index + 1 :]) for index in colons if index]
    return (*readings, (text, None))
