"""What is in memory about a stream of a device: the request that was sent, and what came of those before."""

from collections import deque
from typing import Literal, NamedTuple

from thingstead.modbus.frames import ReadRequest
from thingstead.model.device import Device
from thingstead.model.modbus.compiled import CompiledGroup, CompiledStream
from thingstead.model.modbus.reading import SentRequest
from thingstead.refusals import Reason

ModbusOutcome = Literal[
    "used", "unused", "exception", "request", "confirmed", "asked", "writing", "no_answer", "dropped"
]
WRITES_COUNT = 64  # of a stream that wait; one more takes the place of the oldest


class ModbusNote(NamedTuple):
    """A frame from or to a device, with its outcome."""

    ts: int  # ms
    identifier: str
    direction: Literal["up", "down"]
    raw: bytes
    outcome: ModbusOutcome
    why: Reason | None


class WaitingWrite(NamedTuple):
    """An attribute that is to be written."""

    attribute: str
    unit_id: int
    pdu: bytes
    attempts: int = 0


class GroupState:
    """What came of the requests of a group since the device connected, or the server started."""

    __slots__ = (
        "answered", "asked", "due_s", "exceptions", "group", "last_answer_at", "last_ask_at", "missed", "timed_out",
        "why",
    )  # fmt: skip

    def __init__(self, group: CompiledGroup) -> None:
        self.group = group
        self.due_s = 0.0  # monotonic; of the next poll
        self.missed = 0  # answers in a row
        self.asked = self.answered = self.timed_out = self.exceptions = 0
        self.last_ask_at = self.last_answer_at = 0  # ms
        self.why: Reason | None = None  # the last answer was of no use


class StreamState:
    """A stream of a device. ``rest`` is the beginning of a frame that is not complete."""

    __slots__ = (
        "device", "groups", "late", "late_until_s", "rest", "rest_until_s", "sent", "sent_until_s", "table",
        "transaction", "write", "writes",
    )  # fmt: skip

    def __init__(self, device: Device, table: CompiledStream) -> None:
        self.device = device
        self.table = table
        self.groups = [GroupState(group) for group in table.groups]
        self.rest = b""
        self.rest_until_s = 0.0
        self.sent: SentRequest | None = None
        self.sent_until_s = 0.0
        self.late: ReadRequest | None = None  # without an answer in time …
        self.late_until_s = 0.0  # … that may still come until then
        self.transaction = 0  # the last one
        self.write: WaitingWrite | None = None  # that ``sent`` writes
        self.writes: deque[WaitingWrite] = deque()

    def next_transaction(self) -> int:
        """The transaction of the next request over TCP."""
        self.transaction = self.transaction % 0xFFFF + 1
        return self.transaction
