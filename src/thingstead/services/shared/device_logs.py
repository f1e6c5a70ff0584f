"""Logs of refused messages and custom data of a device, for troubleshooting; bounded in number."""

from collections import Counter
from collections.abc import Sequence

import structlog

from thingstead.clock import Clock
from thingstead.errors import FieldError, ThingsteadError
from thingstead.model.command import Command
from thingstead.model.device import Device, Page
from thingstead.model.device_log import DeviceLog, LogKind
from thingstead.model.limits import INSTANT_MS
from thingstead.model.report import EventRecord
from thingstead.refusals import Reason, reason
from thingstead.services.shared.excerpts import (
    ERRORS_NOTED,
    REASON_CHARACTERS,
    excerpt,
    noted_field,
    shortened_args,
)
from thingstead.services.shared.message_counts import MessageCounts
from thingstead.services.shared.message_trace import MessageTrace
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import Commit, Store

PARTS_REFUSED = reason("values_refused")  # the reason of an entry about parts of a message, which its errors list
BURST = 10  # rejections of one device that are logged at once …
INTERVAL_S = 6.0  # … and interval after which one more is; the others are counted
KIND_INTERVAL_S = 60.0  # beyond that, a topic without an entry for this time gets one …
KINDS = 10  # … with this burst per device, then one per interval


LINES = 3  # lines in the server's log for refusals with one code …
LINE_INTERVAL_S = 60.0  # … and interval after which one more is written

log = structlog.get_logger("thingstead.devices")


class DeviceLogService:
    """Writes and reads device logs. Rejections are rate-limited per device, so that they cannot fill the disk; a topic
    that is refused all the time does not hide others.

    Attributes:
        trace: tells the same, and what was not refused, to those who listen to a device.
        counts: messages of each project, refused or not.
    """

    def __init__(self, store: Store, clock: Clock, trace: MessageTrace) -> None:
        self.trace = trace
        self.counts = MessageCounts()
        self._store = store
        self._clock = clock
        self._buckets = TokenBuckets(clock, BURST, INTERVAL_S)
        self._kinds = TokenBuckets(clock, 1, KIND_INTERVAL_S)  # by device and topic, ids removed
        self._rare = TokenBuckets(clock, KINDS, KIND_INTERVAL_S)
        self._lines = TokenBuckets(clock, LINES, LINE_INTERVAL_S)  # of the server's log, by code
        self.rejections = 0
        self.codes: Counter[str] = Counter()  # of all refusals

    def rejected(self, device: Device, topic: str, why: Reason, errors: Sequence[FieldError], payload: bytes) -> None:
        """Logs that a message of a device was refused, in whole or in part. Never raises if the store is full."""
        self.rejections += 1
        self.counts.of(device.project_id).refused += 1
        self.codes.update([error.reason.code for error in errors] or [why.code])
        suppressed = self._take(device.number, topic)
        if suppressed is None:
            return
        unlogged = self._lines.take(why.code)
        if unlogged is not None:
            log.info("message refused", device=device.id, topic=topic[:64], code=why.code, suppressed=unlogged)
        body = {
            "topic": topic[:256],
            "reason": why.message[:REASON_CHARACTERS],
            "code": why.code,
            "args": shortened_args(why),
            "errors": [noted_field(error) for error in errors[:ERRORS_NOTED]],
            "payload": excerpt(payload),
            "suppressed": suppressed,
        }
        try:
            self._store.device_logs.append(device.number, "rejected", self._clock.now_ms(), body)
        except ThingsteadError:
            self._buckets.give_back(device.number, suppressed)

    def _take(self, number: int, topic: str) -> int | None:
        """Number of rejections of the device since its last entry; None: no entry for this one."""
        rare = self._kinds.take((number, *topic.split("/")[:2])) is not None
        suppressed = self._buckets.take(number)
        if suppressed is None and rare and self._rare.take(number) is not None:
            return self._buckets.excuse(number)
        return suppressed

    def data(self, device: Device, identifier: str, direction: str, payload: bytes) -> Commit:
        """Logs custom data that was received or sent."""
        tally = self.counts.of(device.project_id)
        if direction == "up":
            tally.up_data += 1
        else:
            tally.down_data += 1
        body = {
            "identifier": identifier,
            "direction": direction,
            "size_bytes": len(payload),
            "payload": excerpt(payload),
        }
        return self._store.device_logs.append(device.number, "data", self._clock.now_ms(), body)

    async def list_page(
        self, device: Device, kind: LogKind, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[DeviceLog], int]:
        """One page of a device's log with ``start <= ts <= end`` (ms), newest first, and the number of entries."""
        return await self._store.device_logs.list_page(device.number, kind, page, start, end)

    async def list_events(
        self, device: Device, page: Page, start: int = 0, end: int = INSTANT_MS, method: str | None = None
    ) -> tuple[list[EventRecord], int]:
        """One page of the events of a device, or those with a method, newest first, and their number."""
        return await self._store.events.list_page(device.id, page, start, end, method)

    async def list_commands(
        self, device: Device, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[Command], int]:
        """One page of the commands to a device by ``create_time``, newest first, and their number."""
        return await self._store.commands.list_page(device.id, page, start, end)


def parts_refused(errors: Sequence[FieldError]) -> str:
    """Describes in one line what of a message was refused: the reason of the log entry with its errors."""
    return f"{PARTS_REFUSED.message}: " + "; ".join(
        f"{error.field}: {error.message}" for error in errors[:ERRORS_NOTED]
    )
