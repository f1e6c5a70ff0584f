"""What people read of a wrong input."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from thingstead.model.limits import ID_PATTERN
from thingstead.model.wording import json_problem, member_problem


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "the payload is empty"),
        (b" \n", "the payload is empty"),
        (b"{a:1}", "invalid JSON: expected a quoted name at byte 1"),
        (b'{"a":1,}', "invalid JSON: expected a quoted name behind the comma at byte 7"),
        (b'{"a" 1}', "invalid JSON: expected ':' at byte 5"),
        (b'{"a":1', "invalid JSON: it breaks off at byte 6"),
        (b'{"a":1}x', "invalid JSON: expected nothing more at byte 8"),
        (b'{"a":"\\ud800"}', "invalid JSON: a \\u escape is half of a surrogate pair"),
        (b'\xef\xbb\xbf{"a":1}', "the payload begins with a byte order mark (BOM), which JSON does not have"),
        (b"\xff\xfe{\0", "the payload is UTF-16; JSON is UTF-8"),
        (b'{"a":1}\0\0', "the payload ends with a NUL, at byte 7"),
        ('{"a":"中文"}'.encode("gbk"), "the text is not UTF-8, at byte 6, it looks like GBK"),
        (b'{"a":"\xff"}', "the text is not UTF-8, at byte 6"),
    ],
)
def test_broken_json_is_named_with_its_place(payload: bytes, problem: str) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        msgspec.json.decode(payload)
    assert json_problem(payload, caught.value).message == problem


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (int, "x", "must be an integer"),
        (int | None, "x", "must be an integer"),
        (float, True, "must be a number"),
        (str, 1, "must be a text"),
        (bool, 1, "must be true or false"),
        (list[int], {}, "must be a list"),
        (dict[str, int], [], "must be an object"),
        (dict[str, int] | list[int], 1, "must be an object or a list"),
        (str | list[int], 1, "must be array or str"),
        (Literal["avg", "min"], "x", "must be one of avg, min"),
        (Literal["avg", "min"] | None, 5, "must be one of avg, min"),
        (Annotated[int, Meta(ge=1)], 0, "must be at least 1"),
        (Annotated[float, Meta(gt=0)], 0, "must be greater than 0"),
        (Annotated[int, Meta(le=9)], 10, "must be at most 9"),
        (Annotated[str, Meta(min_length=1)], "", "must not be empty"),
        (Annotated[str, Meta(max_length=2)], "abc", "must have at most 2 characters"),
        (Annotated[list[int], Meta(max_length=1)], [1, 2], "must have at most 1 entries"),
        (Annotated[str, Meta(pattern=ID_PATTERN)], " ", "must be 1 to 64 letters, digits, '_' or '-'"),
        (Annotated[str, Meta(pattern="^a$")], "b", "must match ^a$"),
    ],
)
def test_a_wrong_member_is_told_what_it_must_be(kind: Any, value: Any, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    assert member_problem(str(caught.value), kind).message == problem
