"""docs/limits.md has every bound: each number among the settings and each constant that bounds something has its row,
and each row names what exists, with the default and the unit that it has."""

import ast
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from thingstead.config import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "thingstead"
PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
HEAD = "| What | Setting or constant | Default | Unit | Beyond it |"

# A constant bounds something if a word of its name is one of these, or if it stands in model/limits.py.
BOUND_WORDS = {"LIMIT", "MAX", "MAXIMUM", "TIMEOUT", "COUNT", "LENGTH", "DEPTH", "KEPT"}
ON_OUR_OWN_SIDE = {"cli", "client", "config"}  # rooms that run with their caller, or hold the settings themselves

# Numbers that bound nothing.
NO_BOUND = {
    "http_port",
    "mqtt_port",
    "tcp_port",
    "mqtts_port",
    "https_port",
    "open_mqtt_port",
    "notify.smtp_port",
    "http.malformed_json_status",
    "http.hsts_max_age_s",  # what browsers are told
    "tracing.sample_ratio",
    "server.tracing.SPANS_PER_EXPORT_COUNT",  # over it, more requests are made
    "mqtt.inbound.MAX_RECEIVE_MAXIMUM",  # the greatest that MQTT can say
    "mqtt.outbound.MAX_PACKET_ID",  # the same
    "mqtt.wire.MAX_VARIABLE_BYTE_INTEGER",  # the same
    "mqtt.message.ENCODINGS_LIMIT",  # what is beyond it is made again, each time
    "timers.OUTDATED_LIMIT",  # over it, what was cancelled is cleared away
    "broker.connection.handshake.NO_LIMIT",  # says that there is none
    "services.functions.limits.LOOKS_COUNT",  # calls from one look at the memory to the next
    "services.functions.process.READS_COUNT",  # of what is being written
    "services.functions.results.EXACT_LIMIT",  # of integers in JavaScript
    "services.notifications.channels.SHOWN_LENGTH",  # of a secret, in an answer
    "storage.blocks.MAX_SCALE",  # of the format of blocks
    "storage.sql.history.packing_worker.LENGTH_BYTES",  # of a length, in front of a message
    "storage.sql.access.queries.READS_AGAIN_COUNT",  # over it, the row is not cached
    "storage.postgres.engine.committing.ALONE_COUNT",  # over it, jobs have savepoints
    "storage.postgres.engine.statements.PREPARED_COUNT",  # over it, statements are parsed again
    "storage.postgres.engine.statements.COUNTED_COUNT",  # over it, the oldest is counted anew
    "storage.postgres.engine.connection.STATEMENTS_KEPT",  # over it, they are translated again
    "storage.sqlite.engine.dialect.FREE_PAGES_KEPT",  # over it, pages are given back to the disk
}
UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Row(NamedTuple):
    what: str
    name: str
    default: str
    unit: str
    beyond: str


def rows() -> Iterator[Row]:
    inside = False
    for line in PAGE.splitlines():
        inside = line == HEAD or (inside and line.startswith("|"))
        if inside and line != HEAD and not line.startswith("|---"):
            what, name, default, unit, beyond = (cell.strip() for cell in line.strip("|").split("|"))
            yield Row(what, name.strip("`"), default, unit, beyond)


ROWS = list(rows())


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numeric_settings() -> set[str]:
    """Settings whose type has numbers among its values."""
    return {name for name, setting in SETTINGS.items() if re.search(r"\b(int|float)\b", str(setting.kind))}


def names_assigned(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def bounding_constants() -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if module.split(".")[0] in ON_OUR_OWN_SIDE:
            continue
        for name in names_assigned(path):
            bounds = module == "model.limits" or BOUND_WORDS & set(name.split("_"))
            if name.isupper() and not name.startswith("_") and bounds and is_number(value_of(f"{module}.{name}")):
                found.add(f"{module}.{name}")
    return found


def value_of(name: str) -> Any:
    """The value of a constant by its module below `thingstead` and its name; None where there is none."""
    module, _, constant = name.rpartition(".")
    try:
        return getattr(importlib.import_module(f"thingstead.{module}"), constant, None)
    except ImportError:
        return None


def read_default(row: Row) -> float:
    """The number of a default: ``65,536``, ``2.5``, or of bytes ``64 KiB``."""
    match = re.fullmatch(r"(-?[\d,]+(?:\.\d+)?)(?: (\w+))?", row.default)
    assert match is not None, row
    number, unit = match[1].replace(",", ""), match[2]
    if unit is None:
        return float(number) if "." in number else int(number)
    assert row.unit == "bytes", row
    return int(number) * UNITS[unit]


def test_every_number_among_the_settings_has_a_row_or_bounds_nothing() -> None:
    assert numeric_settings() >= {"http.max_connections", "storage.retention_days", "tcp_port"}
    assert sorted(numeric_settings() - {row.name for row in ROWS} - NO_BOUND) == []


def test_every_constant_that_bounds_something_has_a_row() -> None:
    assert bounding_constants() >= {"model.limits.NAME_LENGTH", "broker.net.listening.OPENING_LIMIT"}
    assert sorted(bounding_constants() - {row.name for row in ROWS} - NO_BOUND) == []


def test_every_row_names_what_exists_with_its_default_and_unit() -> None:
    assert len(ROWS) > 100
    for row in ROWS:
        setting = SETTINGS.get(row.name)
        actual = value_of(row.name) if setting is None else setting.default
        assert actual is not None, f"there is no {row.name}"
        assert read_default(row) == actual, row
        if setting is not None:
            assert row.unit == setting.unit, row


def test_every_row_says_what_is_bounded_and_what_happens_beyond_it() -> None:
    assert [row for row in ROWS if not (row.what and row.unit and row.beyond)] == []


def test_nothing_stands_in_two_rows_and_nothing_that_bounds_nothing_has_one() -> None:
    counted = Counter(row.name for row in ROWS)
    assert [name for name, count in counted.items() if count > 1] == []
    assert sorted(NO_BOUND & counted.keys()) == []
    assert sorted(name for name in NO_BOUND if name not in SETTINGS and value_of(name) is None) == []
