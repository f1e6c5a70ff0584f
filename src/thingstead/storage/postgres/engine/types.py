"""How values go to PostgreSQL and come back: as the embedded database has them."""

from decimal import Decimal
from typing import Any

from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper, NumericBinaryLoader, NumericLoader
from psycopg.types.string import BytesBinaryDumper, StrBinaryDumper


class BoolDumper(Int8BinaryDumper):
    """A truth is 0 or 1."""

    def dump(self, obj: Any) -> Buffer | None:
        return super().dump(int(obj))


def _number(value: Decimal | int) -> Any:
    whole = int(value)
    return whole if whole == value else float(value)


class NumberLoader(NumericLoader):
    """Sums of integers are integers."""

    def load(self, data: Buffer) -> Any:
        return _number(super().load(data))


class NumberBinaryLoader(NumericBinaryLoader):
    """The same from the binary format."""

    def load(self, data: Buffer) -> Any:
        return _number(super().load(data))


def adapt(context: AdaptContext) -> None:
    """Registers the types of a connection. Every integer is a bigint, so that a statement has one plan."""
    adapters = context.adapters
    assert adapters is not None, "a connection has adapters"
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(bool, BoolDumper)
    adapters.register_dumper(str, StrBinaryDumper)
    adapters.register_dumper(float, FloatBinaryDumper)
    adapters.register_dumper(bytes, BytesBinaryDumper)
    adapters.register_loader("numeric", NumberLoader)
    adapters.register_loader("numeric", NumberBinaryLoader)
