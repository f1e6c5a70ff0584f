"""How many devices of a run are acted upon in one transaction."""

from collections.abc import Sequence

import msgspec

from thingstead.model import limits
from thingstead.model.tasks.task import TaskAction

SLICE_DEVICES = 50  # which occupies the event loop and the writer for some milliseconds
SLICE_VALUES = limits.KEYS_COUNT  # values that a slice stores: as many as one report may have
SLICE_BYTES = 1 << 20  # values, params or data that a slice stores
FUNCTION_SLICE_DEVICES = 16  # whose function may return 64 KiB each

_encode = msgspec.json.Encoder().encode


def slices_of(device_ids: Sequence[str], action: TaskAction) -> list[list[str]]:
    """The devices of a run in slices."""
    size = slice_size(action)
    return [list(device_ids[first : first + size]) for first in range(0, len(device_ids), size)]


def slice_size(action: TaskAction) -> int:
    """Number of devices in a slice."""
    if action.function is not None:
        return FUNCTION_SLICE_DEVICES
    values = SLICE_VALUES // len(action.push) if action.push else SLICE_DEVICES
    return max(1, min(values, SLICE_BYTES // len(_encode(action)), SLICE_DEVICES))
