"""The source of a rule, of alarms or of messages: a device type, or chosen devices of a project."""

from collections.abc import Mapping, Sequence

from thingstead.errors import NotFound
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition
from thingstead.model.limits import Problems
from thingstead.storage.base import Store


async def source_definitions(
    store: Store, project_id: str, type_id: str | None, device_ids: Sequence[str], problems: Problems
) -> Sequence[Mapping[str, AttributeDefinition]]:
    """Attribute definitions by identifier, one mapping for each type in the source.

    Args:
        problems: gets each part of the source (``type``, ``devices[n]``) that is missing, or not in the project.
    """
    if bool(type_id) is bool(device_ids):
        if type_id:
            problems.add("type", "cannot_be_combined", other="devices")
        else:
            problems.add("type", "type_or_devices")
        return ()
    type_ids = {type_id} if type_id else set()
    for index, device_id in enumerate(device_ids):
        device = await find_device(store, project_id, device_id)
        if device is None:
            problems.add(f"devices[{index}]", "not_in_project")
        elif device.type_id is not None:
            type_ids.add(device.type_id)
    found = []
    for each_id in sorted(each for each in type_ids if each):
        try:
            device_type = await store.device_types.get(project_id, each_id)
        except NotFound:
            problems.add("type", "not_in_project")
            continue
        found.append({each.identifier: each for each in device_type.functions.attributes})
    return found


async def find_device(store: Store, project_id: str, device_id: str) -> Device | None:
    """A device of the project; None if there is none of this id."""
    try:
        return await store.devices.get(project_id, device_id)
    except NotFound:
        return None
