"""Which inputs reach code that no shorter one does."""

import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

Arc = tuple[str, int, int]  # file, from line, to line


def arcs(run: Callable[[], None], package: str) -> set[Arc]:
    """The steps from line to line that a call takes inside of a package."""
    found: set[Arc] = set()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if package not in name:
            return None
        last = -frame.f_code.co_firstlineno

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        run()
    finally:
        sys.settrace(before)
    return found


def least(
    known: Iterable[bytes], inputs: Iterable[bytes], run: Callable[[bytes], None], package: str
) -> Iterator[bytes]:
    """Of ``inputs``, those that reach something new beside ``known``; the shortest first."""
    reached: set[Arc] = set()
    for data in known:
        reached |= arcs(lambda data=data: run(data), package)  # type: ignore[misc]  # mypy and defaults of lambdas
    for data in sorted(inputs, key=lambda each: (len(each), each)):
        found = arcs(lambda data=data: run(data), package)  # type: ignore[misc]  # the same
        if not found <= reached:
            reached |= found
            yield data
