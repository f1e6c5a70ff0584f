"""Index of the enabled, compiled alarm rules of all projects, by device type and device."""

from collections.abc import Iterable

from thingstead.model.alarms.rule import AlarmRule
from thingstead.model.device import Device
from thingstead.rules.device_rules import NO_RULES, DeviceRules, RuleRecord
from thingstead.rules.rule import CompiledRule


class RuleIndex:
    """Compiled rules by source. Devices of one type share one DeviceRules, unless rules of their own or exceptions
    apply."""

    def __init__(self) -> None:
        self.records: dict[str, RuleRecord] = {}  # by rule id
        self._by_type: dict[str, dict[str, RuleRecord]] = {}
        self._by_device: dict[str, dict[str, RuleRecord]] = {}
        self._exceptions: dict[str, set[str]] = {}  # disabled rules by device id
        self._rules_by_type: dict[str, DeviceRules] = {}  # by type id
        self.absences: set[str] = set()  # rules that depend on presence
        self.timed_rules: dict[str, set[str]] = {}  # rules that can raise without a report, by project

    def put(self, rule: AlarmRule) -> bool:
        """Adds or replaces an enabled rule. If nothing that evaluation depends on has changed, its record is kept.

        Returns:
            Whether the rule must be evaluated from the beginning.
        """
        known = self.records.get(rule.id)
        self.drop(rule.id)
        if known is not None and known.rule.rule.body == rule.body:
            same_source = (known.rule.rule.type_id, known.rule.rule.device_ids) == (rule.type_id, rule.device_ids)
            known.rule.name, known.rule.rule = rule.name, rule
            record, anew = known, not same_source
        else:
            record, anew = RuleRecord(CompiledRule(rule)), True
        self.records[rule.id] = record
        if record.rule.absences:
            self.absences.add(rule.id)
        if record.rule.timed:
            self.timed_rules.setdefault(rule.project_id, set()).add(rule.id)
        if rule.type_id is not None:
            self._by_type.setdefault(rule.type_id, {})[rule.id] = record
            self._rules_by_type.pop(rule.type_id, None)
        for device_id in rule.device_ids:
            self._by_device.setdefault(device_id, {})[rule.id] = record
        for device_id in rule.disabled_devices:
            self._exceptions.setdefault(device_id, set()).add(rule.id)
        return anew

    def drop(self, rule_id: str) -> None:
        """Removes a rule, if it is in the index."""
        record = self.records.pop(rule_id, None)
        if record is None:
            return
        self.absences.discard(rule_id)
        rule = record.rule.rule
        timed = self.timed_rules.get(rule.project_id, set())
        timed.discard(rule_id)
        if not timed:
            self.timed_rules.pop(rule.project_id, None)
        if rule.type_id is not None:
            _take_out(self._by_type, rule.type_id, rule_id)
            self._rules_by_type.pop(rule.type_id, None)
        for device_id in rule.device_ids:
            _take_out(self._by_device, device_id, rule_id)
        for device_id in rule.disabled_devices:
            off = self._exceptions.get(device_id, set())
            off.discard(rule_id)
            if not off:
                self._exceptions.pop(device_id, None)

    def rules_of(self, device: Device) -> DeviceRules:
        """The rules that apply to a device."""
        of_type = self._by_type.get(device.type_id or "", {})
        own = self._by_device.get(device.id)
        off = self._exceptions.get(device.id)
        if own or off:
            rules = {**of_type, **(own or {})}
            return DeviceRules(record for rule_id, record in rules.items() if rule_id not in (off or ()))
        if not of_type:
            return NO_RULES
        type_id = device.type_id or ""
        shared = self._rules_by_type.get(type_id)
        if shared is None:
            shared = self._rules_by_type[type_id] = DeviceRules(of_type.values())
        return shared

    def rules_of_type(self, type_id: str) -> list[str]:
        """The ids of the rules whose source is a device type."""
        return list(self._by_type.get(type_id, ()))

    def timed(self) -> Iterable[AlarmRule]:
        """Rules that can raise without a report (missing data, schedules), for devices without stored state."""
        return [record.rule.rule for record in self.records.values() if record.rule.timed or record.rule.hours]


def _take_out(shelves: dict[str, dict[str, RuleRecord]], key: str, rule_id: str) -> None:
    shelf = shelves.get(key, {})
    shelf.pop(rule_id, None)
    if not shelf:
        shelves.pop(key, None)
