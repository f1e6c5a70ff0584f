"""What tables and history ask of an engine: writes in group commits, and reads in lanes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from thingstead.errors import ThingsteadError
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.read_lanes import Prepare

T = TypeVar("T")


class Program(NamedTuple):
    """A program of ours that is run by this interpreter."""

    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]  # added to that of the server


class Database(Protocol):
    """A database and its threads. All writes go through one thread, in the order in which they were asked for; each job
    that waits when it becomes free shares the next commit, and one failing job does not fail its neighbors."""

    @property
    def packing_program(self) -> Program:
        """The program that compacts, with a connection of its own."""
        ...

    @property
    def reader(self) -> Connection | None:
        """The connection for small reads on the event loop, if they take microseconds; None: they take a round trip."""
        ...

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Runs ``run`` in the writer thread inside a transaction; returns its result once that is committed.

        Raises:
            Unavailable: it could not be committed, too many writes wait, or the store is closing.
            ThingsteadError: ``run`` raised it; what it did was rolled back.
        """
        ...

    def submit(
        self,
        run: Callable[[Connection], Any],
        deliver: Callable[[Any, Exception | None], None],
        *,
        single_statement: bool = False,
        proof: tuple[str, Sequence[Any]] | None = None,
    ) -> None:
        """Like :meth:`write`, without waiting: ``deliver(result, error)`` is called on the event loop.

        Args:
            single_statement: the job runs one statement, which needs no transaction around it.
            proof: of such a job: a read that finds a row if and only if it was committed.
        """
        ...

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Runs a read of some milliseconds in a thread. Projects take turns.

        Raises:
            Unavailable: too many reads wait, of the project or in total.
        """
        ...

    async def read_for_packing(self, run: Callable[[Connection], T]) -> T:
        """Runs a read for packing, in a lane of its own."""
        ...

    async def read_large(self, device_number: int, prepare: Prepare[T]) -> T:
        """Runs a read that may take long, one at a time for each project. It is interrupted when its caller is
        cancelled.

        Raises:
            Unavailable: too many reads of the project wait.
        """
        ...

    async def read_now(self, run: Callable[[Connection], T]) -> T:
        """Runs a small indexed read: at once on :attr:`reader`, without suspending its caller, if there is one; else in
        a lane of its own."""
        ...

    def translated(self, exc: Exception) -> ThingsteadError:
        """The ThingsteadError for a driver's error."""
        ...
