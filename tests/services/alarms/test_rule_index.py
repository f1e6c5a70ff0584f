"""Rules are found by type and by device, and nothing stays of one that was removed."""

from tests.contract.nouns import alarm_rule, device
from thingstead.services.alarms.rule_index import RuleIndex

EMPTY = RuleIndex()


def of(index: RuleIndex, type_id: str, device_id: str) -> set[str]:
    return set(index.rules_of(device(device_id, type_id=type_id)).records)


def test_a_device_has_the_rules_of_its_type_and_its_own_without_those_that_are_off_for_it() -> None:
    index = RuleIndex()
    index.put(alarm_rule("of-type", type_id="pump", disabled_devices=("spared",)))
    index.put(alarm_rule("own", device_ids=("chosen", "spared")))
    assert of(index, "pump", "any") == {"of-type"}
    assert of(index, "pump", "chosen") == {"of-type", "own"}
    assert of(index, "pump", "spared") == {"own"}
    assert of(index, "valve", "any") == set()


def test_nothing_stays_of_a_rule_that_is_removed() -> None:
    index = RuleIndex()
    rules = [
        alarm_rule("a", type_id="pump", disabled_devices=("x", "y")),
        alarm_rule("b", type_id="pump", disabled_devices=("x",)),
        alarm_rule("c", device_ids=("x", "z")),
    ]
    for rule in rules:
        assert index.put(rule) is True
        assert of(index, "pump", "w") >= {rule.id} - {"c"}
    index.drop("a")
    assert (of(index, "pump", "x"), of(index, "pump", "y")) == ({"c"}, {"b"})
    for rule in (*rules, *rules):
        index.drop(rule.id)
    assert vars(index) == vars(EMPTY)


def test_a_rule_that_is_only_renamed_goes_on_where_it_is() -> None:
    index = RuleIndex()
    index.put(alarm_rule("a", type_id="pump"))
    record = index.records["a"]
    renamed = alarm_rule("a", type_id="pump", descr="new")
    assert index.put(renamed) is False
    assert index.records["a"] is record
    assert index.put(alarm_rule("a", type_id="valve")) is True
