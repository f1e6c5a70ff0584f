"""Which targets get the messages of a device."""

from collections.abc import Callable

from thingstead.model.device import Device
from thingstead.model.forwarding.message import KINDS, ForwardDevice, MessageKind
from thingstead.model.forwarding.target import ForwardTarget


class DeviceForwards:
    """The targets of a device by kind of message, and the device as messages name it."""

    __slots__ = ("attributes", "by_kind", "device", "set_attributes")

    def __init__(self, device: Device, by_kind: dict[MessageKind, tuple[str, ...]]) -> None:
        self.device = ForwardDevice(device.id, device.name, device.device_key or "", device.type_id or "")
        self.by_kind = by_kind
        self.attributes = by_kind.get("attributes", ())
        self.set_attributes = by_kind.get("set_attributes", ())


class ForwardIndex:
    """The enabled targets by project."""

    def __init__(self) -> None:
        self._by_project: dict[str, dict[str, ForwardTarget]] = {}

    def put(self, target: ForwardTarget) -> None:
        """Adds or replaces an enabled target."""
        self._by_project.setdefault(target.project_id, {})[target.id] = target

    def drop(self, target: ForwardTarget) -> None:
        """Removes a target, if it is in the index."""
        targets = self._by_project.get(target.project_id, {})
        targets.pop(target.id, None)
        if not targets:
            self._by_project.pop(target.project_id, None)

    def of(self, device: Device) -> DeviceForwards | None:
        """The targets of a device; None: there is none."""
        targets = self._by_project.get(device.project_id)
        if targets is None:
            return None
        wanting = [target for target in targets.values() if in_source(target, device)]
        if not wanting:
            return None
        by_kind = {
            kind: tuple(sorted(target.id for target in wanting if kind in target.kinds)) for kind in KINDS
        }  # fmt: skip
        return DeviceForwards(device, {kind: ids for kind, ids in by_kind.items() if ids})


def in_source(target: ForwardTarget, device: Device) -> bool:
    """Whether a target gets messages of a device."""
    if target.type_ids or target.device_ids:
        of_type = device.type_id is not None and device.type_id in target.type_ids
        if not of_type and device.id not in target.device_ids:
            return False
    return all(device.tags.get(key) == value for key, value in target.tags.items())


def in_project(project_id: str) -> Callable[[Device], bool]:
    """Whether a device is in a project."""
    return lambda device: device.project_id == project_id
