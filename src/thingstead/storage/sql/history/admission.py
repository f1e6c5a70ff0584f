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
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.records import encode_values, nested_bytes

MAX_ATTRIBUTES = 2_000  # of one device, so that a device that invents identifiers cannot fill memory


def size_of(attributes: Mapping[str, Any], body: bytes) -> int:
    """Size of a report in bytes; ``body`` has its encoded values.

    Raises:
        InvalidInput: the report is too large, or a value is; the error names that one.
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
    """Number of attributes of a device after these reports, and the size of its values in bytes if ``measured``.

    Raises:
        InvalidInput: either exceeds its limit.
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
