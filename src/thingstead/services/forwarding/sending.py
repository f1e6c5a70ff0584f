"""The session of a target: opened when something is sent, and again after failures; every wait has an end."""

import asyncio
from collections.abc import Sequence

import structlog

from thingstead.errors import ThingsteadError
from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.target import ForwardTarget
from thingstead.refusals import reason
from thingstead.services.forwarding.target import (
    OpenContext,
    PermanentFailure,
    TargetRefusal,
    TargetSession,
    TransientFailure,
)
from thingstead.services.forwarding.targets import OPENERS

log = structlog.get_logger("thingstead.forwarding")

REOPEN_AFTER = 8  # failures in a row, after which a session is opened again
CLOSE_S = 5.0


class TargetLink:
    """Sends batches of one target over its session."""

    def __init__(self, target: ForwardTarget, context: OpenContext, timeout_s: float) -> None:
        self._target = target
        self._context = context
        self._timeout_s = timeout_s
        self._session: TargetSession | None = None
        self._opening = asyncio.Lock()
        self._failures = 0

    async def send(self, batch: Sequence[ForwardMessage]) -> Sequence[TargetRefusal | None] | None:
        """See :meth:`~thingstead.services.forwarding.target.TargetSession.send`; a failure that the session does not
        name is transient, too."""
        try:
            async with asyncio.timeout(self._timeout_s):
                session = await self._opened()
                refusals = await session.send(batch)
        except PermanentFailure:
            raise
        except TransientFailure:
            await self._failed()
            raise
        except TimeoutError:
            await self._failed()
            raise TransientFailure(reason("notice_timed_out", seconds=f"{self._timeout_s:g}")) from None
        except ThingsteadError as exc:
            await self._failed()
            raise TransientFailure(exc.reason) from exc
        except Exception as exc:
            log.exception("forwarding failed", target=self._target.id)
            await self._failed()
            raise TransientFailure(reason("forward_failed")) from exc
        self._failures = 0
        return refusals

    async def _opened(self) -> TargetSession:
        async with self._opening:
            if self._session is None:
                config = self._target.config
                self._session = await OPENERS[config.kind](self._context, config.chosen)
            return self._session

    async def _failed(self) -> None:
        self._failures += 1
        if self._failures >= REOPEN_AFTER:
            self._failures = 0
            await self.close()

    async def close(self) -> None:
        """Closes the session, if it is open."""
        session, self._session = self._session, None
        if session is not None:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await session.close()
            except Exception:
                log.exception("a target could not be closed", target=self._target.id)
