"""A strict reader of line protocol, by the rules of InfluxDB's documentation."""

from typing import NamedTuple


class Point(NamedTuple):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | bool | str]
    instant_ns: int


def read_line(line: str) -> Point:
    """Reads one line. Fails where InfluxDB refuses it, or reads another value."""
    reader = _Reader(line)
    measurement = reader.until(", ", escapable=", ")
    assert measurement
    tags: dict[str, str] = {}
    while reader.take(","):
        name = reader.until("=", escapable=",= ")
        reader.expect("=")
        value = reader.until(", ", escapable=",= ")
        assert name, "a tag needs a name"
        assert value, "a tag needs a value"
        assert name not in tags
        tags[name] = value
    reader.expect(" ")
    fields: dict[str, float | bool | str] = {}
    while True:
        name = reader.until("=", escapable=",= ")
        assert name, "a field needs a name"
        assert name != "time"
        reader.expect("=")
        fields[name] = reader.value()
        if not reader.take(","):
            break
    reader.expect(" ")
    return Point(measurement, tags, fields, int(reader.rest()))


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0

    def take(self, expected: str) -> bool:
        if not self._text.startswith(expected, self._pos):
            return False
        self._pos += len(expected)
        return True

    def expect(self, expected: str) -> None:
        assert self.take(expected), (expected, self._text[self._pos :])

    def until(self, ends: str, *, escapable: str) -> str:
        """A name; a backslash before one of ``escapable`` escapes it, and stands for itself elsewhere."""
        found = ""
        while self._pos < len(self._text):
            character = self._text[self._pos]
            following = self._text[self._pos + 1 : self._pos + 2]
            if character == "\\" and following and following in escapable:
                found += following
                self._pos += 2
                continue
            if character in ends:
                return found
            assert character not in "\r\n,= " or character not in escapable, (character, self._text)
            assert character not in "\r\n"
            found += character
            self._pos += 1
        return found

    def value(self) -> float | bool | str:
        if self.take('"'):
            found = ""
            while not self.take('"'):
                if self._text[self._pos] == "\\" and self._text[self._pos + 1] in '"\\':
                    self._pos += 1
                found += self._text[self._pos]
                self._pos += 1
            return found
        text = self.until(", ", escapable="")
        if text in ("true", "false"):
            return text == "true"
        return float(text)

    def rest(self) -> str:
        return self._text[self._pos :]
