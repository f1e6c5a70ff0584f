"""Line protocol: what InfluxDB's own rules of escaping read back is what was written."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.forwarding.line_reader import read_line
from tests.services.forwarding.sessions import DEVICE, NOW, message
from thingstead.model.forwarding.message import ForwardDevice, ForwardMessage, message_of
from thingstead.services.forwarding.line_protocol import points

TAGS = ("device_id", "device_key", "device_name", "type_id")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), TEXTS)


def line(sent: ForwardMessage, measurement: str = "{kind}", tags: tuple[str, ...] = TAGS) -> str:
    [found] = points([sent], "ours", measurement, tags)
    assert found is not None
    return found.decode()


def test_a_point_has_its_measurement_tags_fields_and_instant() -> None:
    text = line(
        message(1, {"temperature": 21, "on": True, "state": 'a "quoted\\ text', "list": [1, "x"], "none": None})
    )
    assert text == (
        "attributes,device_id=d1,device_key=key\\=1,device_name=Pump\\ 1\\,\\ north,type_id=t\\ 1 "
        'temperature=21.0,on=true,state="a \\"quoted\\\\ text",list="[1,\\"x\\"]" 1700000000001000000'
    )


def test_numbers_are_floats_whatever_they_look_like() -> None:
    fields = read_line(line(message(1, {"a": 2, "b": -0.5, "c": 10**18, "d": 1e300}))).fields
    assert fields == {"a": 2.0, "b": -0.5, "c": 1e18, "d": 1e300}


def test_events_have_their_method_as_a_tag_and_an_instant_of_their_own() -> None:
    content = {"method": "opened", "params": {"by": "guest", "time": 5}, "id": "e1"}
    first = read_line(line(message_of("e1", "event", DEVICE, NOW, content)))
    again = read_line(line(message_of("e1", "event", DEVICE, NOW, content)))
    other = read_line(line(message_of("e2", "event", DEVICE, NOW, content)))
    assert first == again
    assert first.tags["method"] == "opened"
    assert first.fields == {"by": "guest", "time_": 5.0, "id": "e1"}
    assert first.instant_ns != other.instant_ns
    assert first.instant_ns // 1_000_000 == other.instant_ns // 1_000_000 == NOW


def test_a_message_without_a_value_is_no_point() -> None:
    assert points([message(1, {}), message(2, {"a": None})], "ours", "{kind}", TAGS) == [None, None]


def test_the_measurement_may_name_the_type() -> None:
    assert read_line(line(message(1), "m {type_id},x")).measurement == "m t 1,x"


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), TEXTS, TEXTS)
def test_whatever_a_device_sends_is_one_line_that_is_read_back(values: dict[str, Any], name: str, key: str) -> None:
    device = ForwardDevice("d1", name, key, "t")
    [found] = points([message_of("m", "attributes", device, NOW, values)], "ours", "{kind}", TAGS)
    if found is None:
        assert not any(values)
        return
    point = read_line(found.decode())
    assert point.measurement == "attributes"
    assert point.tags.keys() <= set(TAGS)
    assert point.tags["device_id"] == "d1"
    for field, value in point.fields.items():
        assert isinstance(value, bool | float | str), field
        assert not isinstance(value, float) or math.isfinite(value)
    plain = {name for name in values if name and name.isalnum() and name != "time"}
    for field in plain:
        value = values[field]
        expected = value.replace("\x00", "_") if isinstance(value, str) else value
        assert point.fields[field] == expected


@pytest.mark.parametrize("name", ["a\nb", "a\\", "\\", "a\r\n", "x" * 100_000])
def test_names_that_the_format_cannot_express_are_changed(name: str) -> None:
    device = ForwardDevice("d1", name, "", "t")
    point = read_line(line(message_of("m", "attributes", device, NOW, {name: 1})))
    assert "device_name" in point.tags
    assert list(point.fields.values()) == [1.0]
