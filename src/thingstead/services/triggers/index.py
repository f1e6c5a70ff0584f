"""Index of the enabled message rules of all projects, by device type and device."""

from collections.abc import Callable, Iterable

from thingstead.model.device import Device
from thingstead.model.message_rules.rule import MessageRule, On
from thingstead.rules.message_rules import Holds
from thingstead.services.triggers.trace import TriggerRule

CHARGED_NODES = 40  # of the conditions of a device; fewer cost less than the message itself, and are not counted
Entry = tuple[str | None, Holds, object, TriggerRule]  # (attribute, holds, operand, rule)


class DeviceTriggers:
    """The rules that apply to a device, by kind of message, oldest first. Devices of one type share one."""

    __slots__ = ("before", "before_pushes", "cost", "data", "events", "pushes", "reports")

    def __init__(self, rules: list[TriggerRule]) -> None:
        cost = sum(rule.cost for rule in rules)
        # Of one message at most, in nodes of conditions; 0: hardly any.
        self.cost = cost if cost >= CHARGED_NODES else 0
        of_kind: dict[On, list[TriggerRule]] = {}
        for rule in rules:
            of_kind.setdefault(rule.rule.on_message, []).append(rule)
        self.reports = _entries(of_kind.get("after_report", ()))
        self.pushes = _entries(of_kind.get("after_push", ()))
        self.before = tuple(of_kind.get("before_report", ()))
        self.before_pushes = tuple(of_kind.get("before_push", ()))
        self.events = tuple(of_kind.get("event", ()))
        self.data = tuple(of_kind.get("data", ()))


class TriggerIndex:
    """The rules by id, and those of each device."""

    def __init__(self) -> None:
        self.rules: dict[str, TriggerRule] = {}
        self._by_type: dict[str, dict[str, TriggerRule]] = {}
        self._by_device: dict[str, dict[str, TriggerRule]] = {}
        self._exceptions: dict[str, set[str]] = {}  # disabled rules by device id
        self._of_type: dict[str, DeviceTriggers | None] = {}  # made when needed

    def put(self, rule: MessageRule) -> None:
        """Adds or replaces an enabled rule; its counters are kept."""
        made = TriggerRule(rule, self.rules.get(rule.id))
        self.drop(rule.id)
        self.rules[rule.id] = made
        if rule.type_id is not None:
            self._by_type.setdefault(rule.type_id, {})[rule.id] = made
            self._of_type.pop(rule.type_id, None)
        for device_id in rule.device_ids:
            self._by_device.setdefault(device_id, {})[rule.id] = made
        for device_id in rule.disabled_devices:
            self._exceptions.setdefault(device_id, set()).add(rule.id)

    def drop(self, rule_id: str) -> MessageRule | None:
        """Removes a rule, if it is in the index; returns what it was."""
        known = self.rules.pop(rule_id, None)
        if known is None:
            return None
        rule = known.rule
        if rule.type_id is not None:
            _take_out(self._by_type, rule.type_id, rule_id)
            self._of_type.pop(rule.type_id, None)
        for device_id in rule.device_ids:
            _take_out(self._by_device, device_id, rule_id)
        for device_id in rule.disabled_devices:
            off = self._exceptions.get(device_id, set())
            off.discard(rule_id)
            if not off:
                self._exceptions.pop(device_id, None)
        return rule

    def of(self, device: Device) -> DeviceTriggers | None:
        """The rules that apply to a device; None: there is none."""
        of_type = self._by_type.get(device.type_id) if device.type_id is not None else None
        own, off = self._by_device.get(device.id), self._exceptions.get(device.id)
        if own is None and off is None:
            if of_type is None or device.type_id is None:
                return None
            if device.type_id not in self._of_type:
                self._of_type[device.type_id] = _triggers(of_type)
            return self._of_type[device.type_id]
        apply = {**(of_type or {}), **(own or {})}
        return _triggers({rule_id: rule for rule_id, rule in apply.items() if rule_id not in (off or ())})


def concerns(rule: MessageRule) -> Callable[[Device], bool]:
    """Whether a device is in the source of a rule."""
    devices = frozenset(rule.device_ids)
    return lambda device: device.id in devices or (rule.type_id is not None and device.type_id == rule.type_id)


def _entries(rules: Iterable[TriggerRule]) -> tuple[Entry, ...]:
    return tuple((*rule.compiled, rule) for rule in rules)


def _triggers(rules: dict[str, TriggerRule]) -> DeviceTriggers | None:
    if not rules:
        return None
    return DeviceTriggers(sorted(rules.values(), key=lambda rule: (rule.rule.create_time, rule.rule.id)))


def _take_out(index: dict[str, dict[str, TriggerRule]], key: str, rule_id: str) -> None:
    rules = index.get(key)
    if rules is not None:
        rules.pop(rule_id, None)
        if not rules:
            del index[key]
