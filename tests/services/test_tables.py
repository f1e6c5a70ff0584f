"""History goes into tables and comes back from them, and an import that is repeated adds nothing."""

import csv
import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.nouns import NOW, device, device_type, project_of
from tests.stores import open_store
from thingstead.clock import ManualClock
from thingstead.errors import InvalidInput, Unavailable
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.services.history import tables
from thingstead.services.history.history import iso_utc
from thingstead.services.history.table_import import HistoryImportService, TableImportResult
from thingstead.services.history.tables import CsvWriter, ParquetWriter, Row, read_csv, read_parquet
from thingstead.storage.sqlite.store import SqliteStore

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
points = st.lists(st.tuples(st.integers(0, 2**47), scalars | st.lists(scalars, max_size=2)), max_size=20)
names = st.text("abc-_1,\"' é", max_size=8)


def plain(row: Row) -> tuple[Any, ...]:
    return row.device_id, row.device_key, row.identifier, int(row.ts), msgspec.json.decode(row.value)


@given(points, names, names)
def test_points_come_back_from_csv_exactly(points: list[tuple[int, Any]], device_id: str, key: str) -> None:
    stream = io.StringIO(newline="")
    with CsvWriter(stream) as writer:
        writer.write(device_id, key, "x", [ts for ts, _ in points], [value for _, value in points])
    stream.seek(0)
    assert repr([plain(row) for row in read_csv(stream)]) == repr(
        [(device_id, key, "x", ts, value) for ts, value in points]
    )


@pytest.mark.parametrize("key", ["=1+1", "+1", "-1", "@x", "\t=1", "'=1", "''-1", "'x", "x=1"])
def test_no_cell_of_a_csv_is_a_formula_and_each_comes_back(key: str) -> None:
    stream = io.StringIO(newline="")
    with CsvWriter(stream) as writer:
        writer.write("d", key, "-x", [1, 2, 3], ["=1+1", -5, "+x"])
    cells = [cell for row in csv.reader(io.StringIO(stream.getvalue(), newline="")) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t")) and cell != "-5"] == []
    stream.seek(0)
    assert {(row.device_key, row.identifier) for row in read_csv(stream)} == {(key, "-x")}


@settings(max_examples=20, deadline=None)
@given(points, names, names)
def test_points_come_back_from_parquet_exactly(points: list[tuple[int, Any]], device_id: str, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        with ParquetWriter(path) as writer:
            for ts, value in points:
                writer.write(device_id, key, "x", [ts], [value])
        assert repr([plain(row) for row in read_parquet(path)]) == repr(
            [(device_id, key, "x", ts, value) for ts, value in points]
        )


def test_parquet_has_instants_and_numbers_for_other_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_POINTS", 2)
    parquet = pytest.importorskip("pyarrow.parquet")
    with ParquetWriter(tmp_path / "a.parquet") as writer:
        writer.write("d", "", "x", [1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_002], [1, True, 2.5])
        writer.write("d", "", "y", [1], ["on"])
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column("number").to_pylist() == [1.0, None, 2.5, None]
    assert table.column("value").to_pylist() == ["1", "true", "2.5", '"on"']
    assert table.column("ts").to_pylist()[1].isoformat() == "2023-11-14T22:13:20.001000+00:00"
    assert parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2


def test_without_pyarrow_parquet_is_refused_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_module(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("thingstead.services.history.tables.importlib.import_module", no_module)
    with pytest.raises(Unavailable, match=r"install thingstead\[parquet\]"):
        ParquetWriter(tmp_path / "a.parquet")
    with pytest.raises(Unavailable):
        list(read_parquet(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column device_id, identifier, ts, value"),
        ("device_key,ts,value\n", "no column identifier"),
        ("identifier,ts,value\n", "no column device_id"),
        ('device_id,identifier,ts,value\nd,x,1,"' + "1" * 2_000_000, "field larger"),
    ],
)
def test_what_is_no_table_of_points_is_refused(content: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        list(read_csv(io.StringIO(content)))


def test_bytes_that_are_no_text_and_no_parquet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"device_id,identifier,ts,value\n\xff\xfe,x,1,1\n" * 3)
    with (tmp_path / "a").open(encoding="utf-8") as stream, pytest.raises(InvalidInput, match="UTF-8"):
        list(read_csv(stream))
    with pytest.raises(InvalidInput, match="cannot be read as Parquet"):
        list(read_parquet(tmp_path / "a"))


def test_instants_are_shown_with_milliseconds() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00.000Z"
    assert iso_utc(1_700_000_000_005) == "2023-11-14T22:13:20.005Z"


class Installation:
    """A store with one device, and what brings points into it."""

    def __init__(self, store: SqliteStore, kept: Device) -> None:
        self.store = store
        self.device = kept

    async def bring(self, *rows: tuple[str, str, str, Any, Any]) -> TableImportResult:
        numbered = [Row(number, *row) for number, row in enumerate(rows, 1)]
        return await HistoryImportService(self.store, ManualClock()).run("ours", numbered)

    async def series(self, identifier: str = "x") -> list[tuple[int, Any]]:
        found = await self.store.history.series(self.device.number, identifier, 0, 2**53, offset=0, limit=10_000)
        return [(point.ts, point.value) for point in found]


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    store = await open_store(tmp_path / "thingstead.db", ManualClock())
    for project_id in ("ours", "theirs"):
        await store.projects.create(*project_of(project_id))
    kept = await store.devices.create(device("boiler", device_key="K1"))
    functions = Functions(
        attributes=(
            AttributeDefinition(identifier="power", data_options={"max": 100}),
            AttributeDefinition(identifier="on", attr_type="push", data_type="switch"),
        )
    )
    await store.device_types.create(device_type("meter", functions=functions))
    await store.devices.create(device("typed", type_id="meter"))
    await store.devices.create(device("strange", project_id="theirs", device_key="K2"))
    yield Installation(store, kept)
    await store.close()


async def test_an_import_that_is_repeated_adds_nothing(installation: Installation) -> None:
    rows = [("boiler", "", "x", str(NOW + ts), str(ts / 2)) for ts in range(3000)]
    for _ in range(3):
        assert await installation.bring(*rows) == TableImportResult(3000, 0, [])
        await installation.store.history.packer.pack(whole=True)
        assert await installation.series() == [(NOW + ts, ts / 2) for ts in range(2999, -1, -1)]


async def test_imported_points_are_no_uplink_and_the_greatest_timestamp_is_current(installation: Installation) -> None:
    await installation.bring(("boiler", "", "x", NOW, "2"), ("boiler", "", "x", NOW - 1, "1"))
    current = await installation.store.history.current(installation.device.number)
    assert (current["x"].ts, current["x"].value) == (NOW, 2)
    assert await installation.store.history.active_of([installation.device.number]) == {installation.device.number: {}}


async def test_a_device_is_found_by_its_key_where_its_id_is_of_another_installation(installation: Installation) -> None:
    done = await installation.bring(("unknown", "K1", "x", NOW, "1"), ("", "K1", "x", NOW + 1, "2"))
    assert done == TableImportResult(2, 0, [])
    assert await installation.series() == [(NOW + 1, 2), (NOW, 1)]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("nosuch", "", "x", 1, "1"), "row 1: no such device: nosuch"),
        (("", "", "x", 1, "1"), "row 1: no such device: no device_id or device_key"),
        (("strange", "K2", "x", 1, "1"), "row 1: no such device: strange"),
        (("boiler", "", "a b", 1, "1"), "row 1: identifier: 'a b' is not a valid identifier"),
        (("boiler", "", "x", "soon", "1"), "row 1: ts: 'soon' is not an instant in ms"),
        (("boiler", "", "x", "nan", "1"), "row 1: ts: 'nan' is not an instant in ms"),
        (("boiler", "", "x", -1, "1"), "row 1: ts: must not be before 1970"),
        (("boiler", "", "x", "4102444800000", "1"), "row 1: ts: is more than one day in the future"),
        (("boiler", "", "x", 1, "null"), "row 1: x: null is no value"),
        (("typed", "", "power", 1, '"much"'), "row 1: power: must be a number"),
        (("typed", "", "power", 1, "101"), "row 1: power: 101 is above the maximum 100"),
        (("boiler", "", "x", None, "1"), "row 1: ts: None is not an instant in ms"),
        (("boiler", "", "x", 1, "on"), "row 1: value: 'on' is not JSON"),
        (("boiler", "", "x", 1, None), "row 1: value: None is not JSON"),
        (("boiler", "", "x", 1, str(2**64)), "row 1: an integer needs more than 64 bits"),
    ],
)
async def test_a_row_that_is_wrong_is_named_and_spares_the_others(
    installation: Installation, row: tuple[str, str, str, Any, Any], problem: str
) -> None:
    done = await installation.bring(row, ("boiler", "", "good", NOW, "true"))
    assert done == TableImportResult(1, 1, [problem])
    assert await installation.series("good") == [(NOW, True)]
    assert await installation.series("x") == []


async def test_instants_and_values_are_understood_as_those_of_devices(installation: Installation) -> None:
    texts = [("1700000000", "1"), ("1700000000.5", "2"), (1_700_000_001_000, "3"), ("1700000001001.9", "4")]
    done = await installation.bring(*(("boiler", "", "x", ts, value) for ts, value in texts))
    assert done == TableImportResult(4, 0, [])
    assert await installation.series() == [(NOW + 1001, 4), (NOW + 1000, 3), (NOW + 500, 2), (NOW, 1)]
    assert await installation.bring(("typed", "", "on", NOW, '"ON"')) == TableImportResult(1, 0, [])
    typed = await installation.store.devices.get("ours", "typed")
    assert (await installation.store.history.current(typed.number))["on"].value is True
