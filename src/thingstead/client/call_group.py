"""A group of calls as methods of a client, for threads and for asyncio."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from thingstead.client.call import Call, Listing
from thingstead.client.walks import Walk

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Protocol):
    """Carries calls out for threads."""

    def run(self, call: Call[T]) -> T: ...

    def items(self, listing: Listing[T] | Walk[T]) -> Iterator[T]: ...


class Concurrent(Protocol):
    """Carries calls out for asyncio."""

    async def run(self, call: Call[T]) -> T: ...

    def items(self, listing: Listing[T] | Walk[T]) -> AsyncIterator[T]: ...


Runner = TypeVar("Runner", Blocking, Concurrent)


class CallGroup(Generic[Runner]):
    """A module of calls, bound to a client."""

    def __init__(self, runner: Runner) -> None:
        self._runner: Runner = runner


class One(Generic[P, T]):
    """A call as a method: returns its result."""

    def __init__(self, make: Callable[P, Call[T]]) -> None:
        self.make = make

    @overload
    def __get__(self, group: CallGroup[Blocking], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: CallGroup[Concurrent], owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, group: Any, owner: Any) -> Any:
        return _bound(self.make, group._runner.run)


class All(Generic[P, T]):
    """A list as a method: iterates over its items, and reads a page when it is needed."""

    def __init__(self, make: Callable[P, Listing[T] | Walk[T]]) -> None:
        self.make = make

    @overload
    def __get__(self, group: CallGroup[Blocking], owner: Any) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, group: CallGroup[Concurrent], owner: Any) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, group: Any, owner: Any) -> Any:
        return _bound(self.make, group._runner.items)


def _bound(make: Callable[..., Any], carry_out: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(*args: Any, **options: Any) -> Any:
        return carry_out(make(*args, **options))

    method.__name__, method.__doc__ = make.__name__, make.__doc__
    return method
