"""Reads and writes history as tables, one row per point: CSV and Parquet, in chunks.

Columns: ``device_id``, ``device_key`` (may be empty), ``identifier``, ``ts`` (ms since the epoch; in Parquet a
timestamp in UTC), in CSV ``timestamp`` (the same, for people), in Parquet ``number`` (the value if it is a number),
``value`` (as JSON, so that texts, numbers and booleans differ). Required for reading are ``device_id`` or
``device_key``, ``identifier``, ``ts`` and ``value``; other columns are ignored.
"""

import csv
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import msgspec

from thingstead.errors import InvalidInput, Unavailable
from thingstead.services.history.history import iso_utc

Format = Literal["csv", "parquet"]
CSV_COLUMNS = ("device_id", "device_key", "identifier", "ts", "timestamp", "value")
NEEDED = ("identifier", "ts", "value")
ROW_GROUP_POINTS = 200_000  # points buffered for one row group of Parquet
BATCH_ROWS = 20_000  # rows read at once
CSV_FIELD_BYTES = 1 << 20
PARQUET_MISSING = "Parquet needs the package pyarrow: install thingstead[parquet], or choose CSV"

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of a formula

_to_json = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """An unchecked row of a file."""

    number: int  # of the row, from 1
    device_id: str
    device_key: str
    identifier: str
    ts: Any
    value: Any  # JSON text


class TableWriter(ABC):
    """Writes batches of points. A context manager; the file is complete if the block ends without an error."""

    @abstractmethod
    def write(self, device_id: str, device_key: str, identifier: str, timestamps: list[int], values: list[Any]) -> None:
        """Adds points of one attribute."""

    @abstractmethod
    def close(self) -> None:
        """Writes what is still buffered."""

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.close()


class CsvWriter(TableWriter):
    """Comma-separated values (RFC 4180) with a header line. Values are JSON, so they are never formulas; a text that
    would be one gets an apostrophe as prefix, which :func:`read_csv` removes."""

    def __init__(self, stream: IO[str]) -> None:
        self._writer = csv.writer(stream)
        self._writer.writerow(CSV_COLUMNS)

    def write(self, device_id: str, device_key: str, identifier: str, timestamps: list[int], values: list[Any]) -> None:
        self._writer.writerows(
            (device_id, _to_cell(device_key), _to_cell(identifier), ts, iso_utc(ts), _to_json(value).decode())
            for ts, value in zip(timestamps, values, strict=True)
        )

    def close(self) -> None:
        """No-op: nothing is buffered."""


class ParquetWriter(TableWriter):
    """Apache Parquet, compressed with zstd."""

    def __init__(self, path: Path) -> None:
        self._arrow = _arrow()
        text = self._arrow.dictionary(self._arrow.int32(), self._arrow.string())
        self._schema = self._arrow.schema(
            [
                ("device_id", text),
                ("device_key", text),
                ("identifier", text),
                ("ts", self._arrow.timestamp("ms", tz="UTC")),
                ("number", self._arrow.float64()),
                ("value", self._arrow.string()),
            ]
        )
        self._file = self._arrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: list[list[Any]] = [[] for _ in self._schema]

    def write(self, device_id: str, device_key: str, identifier: str, timestamps: list[int], values: list[Any]) -> None:
        count = len(timestamps)
        numbers = [float(value) if type(value) in (int, float) else None for value in values]
        texts = [_to_json(value).decode() for value in values]
        names = [[name] * count for name in (device_id, device_key, identifier)]
        more: list[list[Any]] = [*names, timestamps, numbers, texts]
        for column, added in zip(self._columns, more, strict=True):
            column.extend(added)
        if len(self._columns[0]) >= ROW_GROUP_POINTS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [
                self._arrow.array(column, field.type) for column, field in zip(self._columns, self._schema, strict=True)
            ]
            self._file.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
            self._columns = [[] for _ in self._schema]


def read_csv(stream: IO[str]) -> Iterator[Row]:
    """The rows of a CSV file, in order.

    Raises:
        InvalidInput: required columns are missing, or the file is not CSV.
    """
    csv.field_size_limit(CSV_FIELD_BYTES)
    reader = csv.DictReader(stream)
    try:
        _check_columns(reader.fieldnames or ())
        for number, row in enumerate(reader, 1):
            yield Row(
                number,
                row.get("device_id") or "",
                _from_cell(row.get("device_key") or ""),
                _from_cell(row["identifier"] or ""),
                row["ts"],
                row["value"],
            )
    except csv.Error as exc:
        raise InvalidInput("not_done", detail=f"line {reader.line_num}: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput("not_done", detail=f"after line {reader.line_num}: is not UTF-8") from exc


def _to_cell(text: str) -> str:
    """A text that a spreadsheet does not evaluate: with an apostrophe as prefix if it would be a formula."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _from_cell(text: str) -> str:
    """The inverse of :func:`_to_cell`."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file, in order.

    Raises:
        InvalidInput: required columns are missing, or the file is not Parquet.
        Unavailable: pyarrow is not installed.
    """
    arrow = _arrow()
    try:
        file = arrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        _check_columns(names)
        wanted = [name for name in ("device_id", "device_key", *NEEDED) if name in names]
        number = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
            columns = {name: _plain(batch.column(name), arrow) for name in wanted}
            nothing = [""] * batch.num_rows
            for row in zip(
                columns.get("device_id", nothing),
                columns.get("device_key", nothing),
                columns["identifier"],
                columns["ts"],
                columns["value"],
                strict=True,
            ):
                number += 1
                yield Row(number, row[0] or "", row[1] or "", row[2] or "", row[3], row[4])
    except arrow.ArrowException as exc:
        raise InvalidInput("not_done", detail=f"{path.name} cannot be read as Parquet: {exc}") from exc


def _plain(column: Any, arrow: Any) -> list[Any]:
    """The values of a column; instants as ms."""
    if arrow.types.is_timestamp(column.type):
        column = column.cast(arrow.timestamp("ms")).cast(arrow.int64())
    values: list[Any] = column.to_pylist()
    return values


def _check_columns(names: Any) -> None:
    missing = [name for name in NEEDED if name not in names]
    if "device_id" not in names and "device_key" not in names:
        missing.insert(0, "device_id")
    if missing:
        raise InvalidInput("not_done", detail=f"the table has no column {', '.join(missing)}")


def _arrow() -> Any:
    """Imports pyarrow, which is optional, with its module ``parquet``."""
    try:
        arrow = importlib.import_module("pyarrow")
        importlib.import_module("pyarrow.parquet")
    except ImportError as exc:
        raise Unavailable("not_done", detail=PARQUET_MISSING) from exc
    return arrow
