"""Sessions of targets, opened without the rest of the platform, and messages to send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from thingstead.clock import SystemClock
from thingstead.model.forwarding.message import ForwardDevice, ForwardMessage, MessageKind, message_of
from thingstead.model.forwarding.target import TargetKind
from thingstead.services.forwarding.target import OpenContext, TargetSession
from thingstead.services.forwarding.targets import OPENERS
from thingstead.services.outbound.http import HttpSender

NOW = 1_700_000_000_000
DEVICE = ForwardDevice("d1", "Pump 1, north", "key=1", "t 1")


def message(number: int, content: dict[str, Any] | None = None, kind: MessageKind = "attributes") -> ForwardMessage:
    values = {"n": number} if content is None else content
    return message_of(f"m{number}", kind, DEVICE, NOW + number, values)


@asynccontextmanager
async def session(
    kind: TargetKind, config: Any, *, private: bool = True, shows: bool = True
) -> AsyncIterator[TargetSession]:
    """An open session of a target.

    Args:
        private: whether private addresses may be connected to.
        shows: whether tenants may see what they answer.
    """
    http = HttpSender(timeout_s=10, private_addresses=private)
    context = OpenContext("target", "ours", True, http, SystemClock(), lambda: private, lambda: shows)
    opened = await OPENERS[kind](context, config)
    try:
        yield opened
    finally:
        await opened.close()
        await http.close()
