"""Instants on the command line: as people write them, or in ms."""

from datetime import UTC, datetime
from typing import Any

import click

from thingstead.model.limits import INSTANT_MS


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
