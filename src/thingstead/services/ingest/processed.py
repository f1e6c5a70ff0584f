"""Reports after the processing that the definition of their device type asks for."""

from typing import Any

from thingstead.errors import FieldError
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.storage.base import HistoryStore


def processed(
    history: HistoryStore, link: DeviceContext, attributes: dict[str, Any], ts: int | None = None
) -> tuple[FieldError, ...]:
    """Processes a report in place. Returns the attributes that could not be computed. Late values (``ts`` is given)
    belong to another time than the current ones, so that these are not used."""
    processing = link.definition.compiled.processing
    if processing is None:
        return ()
    if ts is not None:
        return tuple(processing.apply(attributes, None))
    number = link.device.number
    return tuple(
        processing.apply(attributes, lambda: {name: each.value for name, each in history.present(number).items()})
    )
