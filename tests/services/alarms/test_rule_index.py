"""Rules are found by type and by device, and nothing stays of one that was removed."""

from tests.contract.nouns import alarm_rule, device
from thingstead.services.alarms.rule_index import RuleLibrary

EMPTY = RuleLibrary()


def of(library: RuleLibrary, type_id: str, device_id: str) -> set[str]:
    return set(library.book_of(device(device_id, type_id=type_id)).records)


def test_a_device_has_the_rules_of_its_type_and_its_own_without_those_that_are_off_for_it() -> None:
    library = RuleLibrary()
    library.put(alarm_rule("of-type", type_id="pump", disabled_devices=("spared",)))
    library.put(alarm_rule("own", device_ids=("chosen", "spared")))
    assert of(library, "pump", "any") == {"of-type"}
    assert of(library, "pump", "chosen") == {"of-type", "own"}
    assert of(library, "pump", "spared") == {"own"}
    assert of(library, "valve", "any") == set()


def test_nothing_stays_of_a_rule_that_is_removed() -> None:
    library = RuleLibrary()
    rules = [
        alarm_rule("a", type_id="pump", disabled_devices=("x", "y")),
        alarm_rule("b", type_id="pump", disabled_devices=("x",)),
        alarm_rule("c", device_ids=("x", "z")),
    ]
    for rule in rules:
        assert library.put(rule) is True
        assert of(library, "pump", "w") >= {rule.id} - {"c"}
    library.drop("a")
    assert (of(library, "pump", "x"), of(library, "pump", "y")) == ({"c"}, {"b"})
    for rule in (*rules, *rules):
        library.drop(rule.id)
    assert vars(library) == vars(EMPTY)


def test_a_rule_that_is_only_renamed_goes_on_where_it_is() -> None:
    library = RuleLibrary()
    library.put(alarm_rule("a", type_id="pump"))
    record = library.records["a"]
    renamed = alarm_rule("a", type_id="pump", descr="new")
    assert library.put(renamed) is False
    assert library.records["a"] is record
    assert library.put(alarm_rule("a", type_id="valve")) is True
