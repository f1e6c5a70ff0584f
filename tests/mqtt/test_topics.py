"""Chapter 4.7 topic names and filters, 4.8.2 shared subscriptions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.mqtt.reasons import MqttError
from thingstead.mqtt.topics import check_topic_filter, check_topic_name, matches, parse_shared
from thingstead.mqtt.tree import TopicTree


@pytest.mark.parametrize(
    "topic_filter", ["#", "+", "a/#", "+/+", "/+", "a//b", "$SYS/#", "/", " ", "$share/g/#", "$sharex"]
)
def test_good_filters_are_accepted(topic_filter: str) -> None:
    check_topic_filter(topic_filter)


@pytest.mark.parametrize(
    "topic_filter",
    [
        "",
        "a/#/b",
        "a#",
        "#a",
        "a+",
        "a/+b",
        "##",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share//a",
        "$share/+/a",
        "a\x1f",
    ],
)
def test_broken_filters_are_refused(topic_filter: str) -> None:
    with pytest.raises(MqttError):
        check_topic_filter(topic_filter)


@pytest.mark.parametrize("name", ["", "+", "a/#", "a\x7f", "/".join("a" * 201)])
def test_broken_names_are_refused(name: str) -> None:
    with pytest.raises(MqttError):
        check_topic_name(name)


@pytest.mark.parametrize("topic_filter", ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a"])
def test_a_shared_filter_without_either_is_not_taken_apart(topic_filter: str) -> None:
    with pytest.raises(MqttError):
        parse_shared(topic_filter)


def test_a_shared_filter_has_a_share_name_and_a_filter() -> None:
    assert parse_shared("$share/group/a/+") == ("group", "a/+")
    assert parse_shared("a/+") == ("", "a/+")


@pytest.mark.parametrize(
    ("topic_filter", "name", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+", "a/$x", True),
        ("ACCOUNTS", "Accounts", False),
    ],
)
def test_the_examples_of_the_specification_match(topic_filter: str, name: str, expected: bool) -> None:
    assert matches(topic_filter, name) is expected
    tree: TopicTree[str, int] = TopicTree()
    tree.subscribe(topic_filter, "client", 1)
    assert bool(tree.match(name).subscribers) is expected


def naive(topic_filter: list[str], name: list[str]) -> bool:
    """4.7, word for word, level by level."""
    if name[:1] and name[0].startswith("$") and topic_filter[0] in ("+", "#"):
        return False
    for at, level in enumerate(topic_filter):
        if level == "#":
            return True
        if at >= len(name) or level not in ("+", name[at]):
            return False
    return len(name) == len(topic_filter)


levels = st.sampled_from(["a", "b", "", "$x"])
name_levels = st.lists(levels, min_size=1, max_size=5)
filter_levels = st.builds(
    lambda head, tail: [*head, *tail] or ["#"],
    st.lists(levels | st.just("+"), max_size=5),
    st.sampled_from([[], ["#"]]),
)


@given(filter_levels, name_levels)
def test_matches_agrees_with_the_naive_matcher(topic_filter: list[str], name: list[str]) -> None:
    assert matches("/".join(topic_filter), "/".join(name)) is naive(topic_filter, name)


subscriptions = st.tuples(filter_levels.map("/".join).filter(bool), st.integers(0, 3))


@given(
    st.lists(subscriptions, max_size=30),
    st.lists(subscriptions, max_size=15),
    st.lists(name_levels, min_size=1, max_size=10),
)
def test_the_tree_agrees_with_the_naive_matcher(
    added: list[tuple[str, int]], removed: list[tuple[str, int]], published: list[list[str]]
) -> None:
    tree: TopicTree[int, str] = TopicTree()
    expected: set[tuple[str, int]] = set()
    for topic_filter, subscriber in added:
        assert tree.subscribe(topic_filter, subscriber, topic_filter) is ((topic_filter, subscriber) not in expected)
        expected.add((topic_filter, subscriber))
    for topic_filter, subscriber in removed:
        assert tree.unsubscribe(topic_filter, subscriber) is ((topic_filter, subscriber) in expected)
        expected.discard((topic_filter, subscriber))
    assert len(tree) == len(expected)
    for name in published:
        found = sorted((value, key) for key, value in tree.match("/".join(name)).subscribers)
        assert found == sorted(case for case in expected if naive(case[0].split("/"), name))


def test_members_of_a_shared_subscription_stand_together() -> None:
    tree: TopicTree[str, int] = TopicTree()
    for group, member in (("g", "one"), ("g", "two"), ("h", "one")):
        tree.subscribe(f"$share/{group}/a/+", member, 0)
    tree.subscribe("a/b", "three", 0)
    found = tree.match("a/b")
    assert found.subscribers == [("three", 0)]
    assert found.groups == [{"one": 0, "two": 0}, {"one": 0}]
    assert tree.unsubscribe("$share/g/a/+", "one")
    assert not tree.unsubscribe("$share/g/a/+", "one")
    assert not tree.unsubscribe("$share/x/a/+", "one")
    assert tree.match("a/b").groups == [{"two": 0}, {"one": 0}]


def test_an_emptied_tree_keeps_nothing() -> None:
    tree: TopicTree[int, int] = TopicTree()
    filters = ["a/b/c", "a/+/#", "$share/g/a/b", "#", "a/b"]
    for topic_filter in filters:
        tree.subscribe(topic_filter, 1, 1)
    for topic_filter in filters:
        assert tree.unsubscribe(topic_filter, 1)
    assert len(tree) == 0
    assert tree._root.empty
