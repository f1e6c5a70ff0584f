"""Secrets in the configs of forwarding targets: shown as ``***``, and kept where ``***`` comes back."""

from typing import Any

import msgspec

from thingstead.model.forwarding.target import HIDDEN
from thingstead.model.limits import Problems


def hidden(config: Any) -> Any:
    """A config for display."""
    changes: dict[str, Any] = {}
    for member in config.SECRETS:
        value = getattr(config, member)
        if isinstance(value, dict):
            changes[member] = dict.fromkeys(value, HIDDEN)
        elif value is not None:
            changes[member] = HIDDEN
    return msgspec.structs.replace(config, **changes)


def revealed(config: Any, before: Any, problems: Problems, field: str) -> Any:
    """A config with the stored secrets in the place of ``***``.

    They are kept only where the config leads to the same place as ``before``, so that nobody who may not read a secret
    can send it to an address of their own; otherwise each is a problem.
    """
    changes: dict[str, Any] = {}
    same = type(before) is type(config) and all(getattr(before, name) == getattr(config, name) for name in config.PLACE)
    for member in config.SECRETS:
        value = getattr(config, member)
        kept = getattr(before, member) if same else None
        if isinstance(value, dict):
            known = {name.lower(): each for name, each in (kept or {}).items()}
            new = {name: known.get(name.lower()) if each == HIDDEN else each for name, each in value.items()}
            lost = [name for name, each in new.items() if each is None]
            changes[member] = new
            for name in lost:
                problems.add(f"{field}.{member}.{name}", "hidden_secret_new", hidden=HIDDEN)
        elif value == HIDDEN:
            changes[member] = kept
            if kept is None:
                problems.add(f"{field}.{member}", "hidden_secret_new", hidden=HIDDEN)
    return config if problems.errors else msgspec.structs.replace(config, **changes)
