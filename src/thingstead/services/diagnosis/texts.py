"""Texts of the checklist: for each code what was found, and what to do about it, in English and Chinese."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# {code: {"en", "zh", "advice_en", "advice_zh"}}; the advice of a finding that is fine is empty.
TEXTS: Mapping[str, Mapping[str, str]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def english(code: str, args: Mapping[str, Any]) -> tuple[str, str]:
    """What was found, and what to do about it. Arguments that end with ``_at`` are instants (ms)."""
    shown = {name: _shown(name, value) for name, value in args.items()}
    texts = TEXTS[code]
    return texts["en"].format_map(shown), texts["advice_en"].format_map(shown)


def _shown(name: str, value: Any) -> Any:
    if name.endswith("_at"):
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="seconds")
    return ", ".join(map(str, value)) if isinstance(value, list) else value
