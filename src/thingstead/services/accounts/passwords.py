"""Password hashes (argon2id), computed off the event loop with bounded concurrency."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from thingstead.errors import TooManyRequests

T = TypeVar("T")

MEMORY_KIB, PASSES = 19_456, 2  # OWASP's profile for argon2id with one lane
AT_ONCE = 2  # hashes computed concurrently; each takes MEMORY_KIB and a core
QUEUE_LIMIT = 64  # callers that wait; further ones are refused with TooManyRequests


class Passwords:
    """Computes and verifies password hashes. One object per process, because it bounds concurrency."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash, with its salt and parameters."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str, *, known: bool = True) -> bool:
        """Whether the password is right. None, for an unknown account, takes the same time and is False.

        Args:
            known: the caller has logged in before; half of the queue is reserved for such callers.
        """
        if not known and self._waiting >= QUEUE_LIMIT // 2:
            raise _too_many()
        if self._decoy is None:
            self._decoy = await self.hash("a password that nobody has")
        encoded = password_hash or self._decoy
        right = await self._in_thread(lambda: self._matches(encoded, password))
        return right and password_hash is not None

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= QUEUE_LIMIT:
            raise _too_many()
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _too_many() -> TooManyRequests:
    return TooManyRequests("too_many_log_ins", retry_after_s=2)
