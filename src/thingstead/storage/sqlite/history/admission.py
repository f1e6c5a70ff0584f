"""Size limits of an append: of a value, a report, and the state of a device.

Sizes are those of MessagePack. What stands within arrays and objects counts 32 bytes more for each element:
an array of a thousand empty arrays is a kilobyte there, and eighty in memory.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from thingstead.errors import FieldError, InvalidInput
from thingstead.model.limits import DEVICE_STATE_BYTES, REPORT_BYTES, VALUE_BYTES
from thingstead.model.report import Report
from thingstead.refusals import reason
from thingstead.storage.sqlite.history.heads import Head
from thingstead.storage.sqlite.history.records import encode_values, nested_bytes

MAX_ATTRIBUTES = 2_000  # of one device: a device that makes up identifiers cannot fill memory


def size_of(attributes: Mapping[str, Any], body: bytes) -> int:
    """The size of a report, ``body`` being its values as they are kept.

    Raises:
        InvalidInput: it is too large, or a value is; that one is named.
    """
    if len(body) > VALUE_BYTES:
        sizes = {identifier: len(encode_values(value)) for identifier, value in attributes.items()}
        why = reason("too_many_bytes", maximum=VALUE_BYTES)
        errors = [FieldError(identifier, why) for identifier, size in sizes.items() if size > VALUE_BYTES]
        if errors:
            raise InvalidInput.of(errors)
    size = len(body) + nested_bytes(attributes.values())
    if size > REPORT_BYTES:
        raise InvalidInput("report_too_large", maximum=REPORT_BYTES)
    return size


def state_with(head: Head, reports: Iterable[Report], *, measured: bool) -> tuple[int, int]:
    """How many attributes a device will have with these reports, and how many bytes its values, where that is measured.

    Raises:
        InvalidInput: these are too many.
    """
    state = {identifier: known.value for identifier, known in head.current.items()}
    for report in reports:
        state.update(report.attributes)
    if len(state) > MAX_ATTRIBUTES:
        raise InvalidInput("device_attributes_full", maximum=MAX_ATTRIBUTES)
    if not measured:
        return len(state), 0
    size = len(encode_values(state)) + nested_bytes(state.values())
    if size > DEVICE_STATE_BYTES:
        raise InvalidInput("device_values_full", maximum=DEVICE_STATE_BYTES)
    return len(state), size
