"""Kinds of targets that need an extra of the installation, whose modules are imported when one is opened."""

import importlib
import importlib.util
from typing import Any

from thingstead.model.forwarding.target import TargetKind
from thingstead.refusals import reason
from thingstead.services.forwarding.target import OpenContext, TargetSession, TransientFailure

# The extra of a kind, and the package that it brings.
EXTRAS: dict[TargetKind, tuple[str, str]] = {"postgresql": ("postgres", "psycopg"), "kafka": ("kafka", "aiokafka")}


def missing_extra(kind: TargetKind) -> str | None:
    """The extra that a kind of target needs and that is not installed."""
    if kind not in EXTRAS:
        return None
    extra, package = EXTRAS[kind]
    return extra if importlib.util.find_spec(package) is None else None


async def open_postgresql(context: OpenContext, config: Any) -> TargetSession:
    """Opens a database."""
    return await _open("postgresql", context, config)


async def open_kafka(context: OpenContext, config: Any) -> TargetSession:
    """Opens a cluster."""
    return await _open("kafka", context, config)


async def _open(kind: TargetKind, context: OpenContext, config: Any) -> TargetSession:
    extra = missing_extra(kind)
    if extra is not None:  # it was there when the target was created
        raise TransientFailure(reason("extra_missing", extra=extra), pause=True)
    module = importlib.import_module(f"thingstead.services.forwarding.targets.{kind}")
    session: TargetSession = await module.open_target(context, config)
    return session
