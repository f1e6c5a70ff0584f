"""Instants on the command line: as people write them, or in ms."""

import re
from datetime import UTC, datetime
from typing import Any

import click

from thingstead.model.limits import INSTANT_MS

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Instant(click.ParamType[int, str | int]):
    """Instant as ``2026-05-01``, ``2026-05-01T08:00`` (UTC without an offset), or ms since the epoch. Converted to
    ms."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            instant = int(value) if value.isdigit() else _parsed(value)
        except ValueError:
            self.fail(f"{value} is neither a date (2026-05-01, 2026-05-01T08:00:00Z) nor milliseconds", param, ctx)
        if not 0 <= instant <= INSTANT_MS:
            self.fail(f"{value} is out of range", param, ctx)
        return instant


def _parsed(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


INSTANT = Instant()


class Span(click.ParamType[float, str | float]):
    """A time span as ``7d``, ``12h``, ``30m`` or ``45s``; ``0`` is none. Converted to seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,6})([smhd])|0", value)
        if found is None:
            self.fail(f"{value} is not a time span such as 7d, 12h or 30m", param, ctx)
        return float(found[1]) * UNITS_S[found[2]] if found[1] else 0.0


SPAN = Span()
