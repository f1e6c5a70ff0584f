"""What a kind of target provides: an open session that sends batches.

A target of a kind is a module in ``targets/``, whose function to open it is in ``OPENERS`` there.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from thingstead.clock import Clock
from thingstead.model.forwarding.message import ForwardMessage
from thingstead.refusals import Reason
from thingstead.services.outbound.http import HttpSender


class TargetRefusal(NamedTuple):
    """Why a target does not accept a message, and will not do so later."""

    reason: Reason
    status: int = 0  # of HTTP, or a code of the target; 0: there is none
    answer: str = ""  # its begin, without what a tenant must not see


class TransientFailure(Exception):
    """A batch could not be delivered now; nothing of it is taken as delivered, and all of it is sent again.

    Args:
        retry_after_s: how long the target wants to be left alone.
        pause: somebody has to change something first, such as credentials or the address; it is tried rarely.
    """

    def __init__(
        self,
        reason: Reason,
        *,
        retry_after_s: float | None = None,
        pause: bool = False,
        status: int = 0,
        answer: str = "",
    ) -> None:
        super().__init__(reason.message)
        self.refusal = TargetRefusal(reason, status, answer)
        self.retry_after_s = retry_after_s
        self.pause = pause


class PermanentFailure(Exception):
    """A batch was refused for good. Its halves are sent by themselves, down to the message that is the reason."""

    def __init__(self, refusal: TargetRefusal) -> None:
        super().__init__(refusal.reason.message)
        self.refusal = refusal


class TargetSession(Protocol):
    """An open target. Each lane sends one batch at a time; several lanes may send at once."""

    async def send(self, batch: Sequence[ForwardMessage]) -> Sequence[TargetRefusal | None] | None:
        """Sends messages, and returns when the target has confirmed them.

        Returns:
            None: all are accepted; or for each message why it is refused for good, or None.

        Raises:
            TransientFailure, PermanentFailure: see there.
        """
        ...

    async def close(self) -> None:
        """Drops connections, without waiting for batches that are under way."""
        ...


class OpenContext(NamedTuple):
    """What a session may use."""

    target_id: str
    project_id: str
    batch: bool  # whether an address gets lists
    http: HttpSender
    clock: Clock
    private_addresses: Callable[[], bool]  # whether private addresses may be connected to now
    shows_private: Callable[[], bool]  # whether tenants may see what a private address answers


Opener = Callable[[OpenContext, Any], Awaitable[TargetSession]]  # with the config of its kind
