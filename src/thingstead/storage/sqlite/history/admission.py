"""What may be appended: how large a value, a report and the state of a device may be.

Sizes are those of MessagePack. What stands within arrays and objects counts 32 bytes more for each element:
an array of a thousand empty arrays is a kilobyte there, and eighty in memory.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from thingstead.errors import FieldError, InvalidInput
from thingstead.model.limits import DEVICE_STATE_BYTES, REPORT_BYTES, VALUE_BYTES
from thingstead.model.report import Report
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
        message = f"must have at most {VALUE_BYTES:,} bytes"
        errors = [FieldError(identifier, message) for identifier, size in sizes.items() if size > VALUE_BYTES]
        if errors:
            raise InvalidInput(f"{errors[0].field}: {message}", errors)
    size = len(body) + nested_bytes(attributes.values())
    if size > REPORT_BYTES:
        raise InvalidInput(
            f"a report has at most {REPORT_BYTES:,} bytes, and elements of arrays and objects count more"
        )
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
        raise InvalidInput(f"a device has at most {MAX_ATTRIBUTES} attributes")
    if not measured:
        return len(state), 0
    size = len(encode_values(state)) + nested_bytes(state.values())
    if size > DEVICE_STATE_BYTES:
        raise InvalidInput(f"the values of a device have at most {DEVICE_STATE_BYTES:,} bytes together")
    return len(state), size
