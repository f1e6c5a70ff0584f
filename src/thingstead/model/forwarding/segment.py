"""Segments of the forwarding log: the messages of one commit and project that at least one target wants.

A segment is filled while its commit is open, and does not change afterwards. It is stored as one row.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

import msgspec

from thingstead.model.forwarding.message import ForwardDevice, ForwardMessage, MessageKind
from thingstead.model.forwarding.target import LANES

SEGMENT_ITEMS = 1_000  # more of one commit are in another segment
SEGMENT_BYTES = 1_048_576
Counts = dict[str, list[int]]  # by target id: messages per lane, then bytes per lane

_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_decode_item = msgspec.msgpack.Decoder(tuple[str, MessageKind, int, bytes]).decode


def lane_of(device_id: str) -> int:
    """The lane of a device."""
    return crc32(device_id.encode()) % LANES


class SegmentHeader(msgspec.Struct, frozen=True, array_like=True):
    """A segment without its messages."""

    seq: int
    created_at: int  # ms
    counts: Counts


class _Body(msgspec.Struct, array_like=True):
    """What is stored of a segment beside its header. An item is wanted by the targets of its set."""

    sets: list[tuple[str, ...]]
    devices: list[ForwardDevice]
    item_sets: list[int]
    item_devices: list[int]
    items: list[bytes]  # (id or "", kind, ts, content as JSON) as msgpack


_decode_body = msgspec.msgpack.Decoder(_Body).decode


class Segment:
    """Messages of one project, in the order of their commit."""

    __slots__ = (
        "_at",
        "_counts",
        "_devices",
        "_sets",
        "body",
        "created_at",
        "project_id",
        "seq",
        "size_bytes",
    )

    def __init__(self, seq: int, project_id: str, created_at: int, body: _Body | None = None) -> None:
        self.seq = seq
        self.project_id = project_id
        self.created_at = created_at
        self.body = body or _Body([], [], [], [], [])
        self._counts: Counts | None = None
        self._sets: dict[tuple[str, ...], int] = {}
        self._devices: dict[str, int] = {}
        self._at: dict[str, tuple[array[int], ...]] = {}
        self.size_bytes = sum(map(len, self.body.items))

    @classmethod
    def stored(cls, seq: int, project_id: str, created_at: int, body: bytes) -> "Segment":
        """A segment from its row."""
        return cls(seq, project_id, created_at, _decode_body(body))

    def __len__(self) -> int:
        return len(self.body.items)

    @property
    def full(self) -> bool:
        """Whether further messages need another segment."""
        return len(self.body.items) >= SEGMENT_ITEMS or self.size_bytes >= SEGMENT_BYTES

    def add(
        self,
        targets: tuple[str, ...],
        device: ForwardDevice,
        kind: MessageKind,
        messages: Sequence[tuple[str, int, dict[str, Any] | msgspec.Raw]],
    ) -> None:
        """Adds messages of a device: id (empty: one is made from its place), ts in ms, content. Adds none of them, and
        raises an error, if one cannot be encoded."""
        body = self.body
        items = [_encode((message_id, kind, ts, _json(content))) for message_id, ts, content in messages]
        the_set = self._sets.get(targets)
        if the_set is None:
            the_set = self._sets[targets] = len(body.sets)
            body.sets.append(targets)
        the_device = self._devices.get(device.id)
        if the_device is None:
            the_device = self._devices[device.id] = len(body.devices)
            body.devices.append(device)
        body.items += items
        body.item_sets += [the_set] * len(items)
        body.item_devices += [the_device] * len(items)
        self.size_bytes += sum(map(len, items))

    def encoded(self) -> bytes:
        """The row of the segment."""
        return _encode(self.body)

    def counts(self) -> Counts:
        """Messages and bytes of each target and lane. Call it when nothing is added any more."""
        if self._counts is None:
            self._counts = self._counted()
        return self._counts

    def _counted(self) -> Counts:
        body = self.body
        lanes = [lane_of(device.id) for device in body.devices]
        of_sets = [[0] * (2 * LANES) for _ in body.sets]
        for the_set, device, item in zip(body.item_sets, body.item_devices, body.items, strict=True):
            counted, lane = of_sets[the_set], lanes[device]
            counted[lane] += 1
            counted[LANES + lane] += len(item)
        found: Counts = {}
        for targets, counted in zip(body.sets, of_sets, strict=True):
            for target_id in targets:
                before = found.get(target_id)
                found[target_id] = counted if before is None else [a + b for a, b in zip(before, counted, strict=True)]
        return found

    def places(self, target_id: str, lane: int) -> Sequence[int]:
        """The indexes of a target's messages in a lane. Not before the commit."""
        found = self._at.get(target_id)
        if found is None:
            body = self.body
            wanted = [target_id in targets for targets in body.sets]
            lanes = [lane_of(device.id) for device in body.devices]
            found = tuple(array("I") for _ in range(LANES))
            for index, (the_set, device) in enumerate(zip(body.item_sets, body.item_devices, strict=True)):
                if wanted[the_set]:
                    found[lanes[device]].append(index)
            self._at[target_id] = found
        return found[lane]

    def messages(self, places: Iterable[int]) -> list[ForwardMessage]:
        """Messages by their indexes."""
        items, devices, of_items, seq = self.body.items, self.body.devices, self.body.item_devices, self.seq
        found = []
        for index in places:
            message_id, kind, ts, raw = _decode_item(items[index])
            device = devices[of_items[index]]
            found.append(ForwardMessage(message_id or f"{seq:x}-{index:x}", kind, device, ts, raw))
        return found
