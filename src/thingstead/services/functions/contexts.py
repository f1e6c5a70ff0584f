"""The functions that a worker process has loaded, within its memory, and the time zone in which they run."""

import importlib.util
import os
import time
import zoneinfo
from pathlib import Path

from thingstead.services.functions.engine import CallOutcome, FunctionContext
from thingstead.services.functions.frames import CallItem
from thingstead.services.functions.limits import (
    CALLS_LIMIT,
    CONTEXTS_LIMIT,
    KEPT_BYTES,
    LOOKS_COUNT,
    PROCESS_MEMORY_LIMIT_BYTES,
)
from thingstead.services.shared.lru import Lru

SLOW_US = 1_000

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
UNKNOWN = CallOutcome("unknown", "", [])


class FunctionContexts:
    """The most recently used functions, one context each."""

    def __init__(self) -> None:
        self._sources: Lru[int, str] = Lru(CONTEXTS_LIMIT)
        self._contexts: Lru[int, FunctionContext] = Lru(CONTEXTS_LIMIT)
        self._zone = ""
        self._calls = 0
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._statm = -1  # not Linux: contexts have their own limit only

    def learn(self, sources: dict[int, str]) -> None:
        """Takes the texts of functions."""
        for number, source in sources.items():
            self._sources.put(number, source)

    def slow(self, function: int) -> bool:
        """Whether the next call of a function may take long."""
        context = self._contexts.get(function)
        return context is None or context.slow

    def took(self, function: int, took_us: int) -> None:
        """Notes how long a call took."""
        context = self._contexts.get(function)
        if context is not None:
            context.slow = took_us > SLOW_US

    def run(self, item: CallItem) -> CallOutcome:
        """Makes one call."""
        source = self._sources.use(item.function)
        if source is None:
            return UNKNOWN
        self._calls += 1
        if self._calls % LOOKS_COUNT == 0:
            self.trim()
        if item.zone != self._zone:
            self._zone = item.zone
            os.environ["TZ"] = _tz(item.zone)
            time.tzset()
        context = self._contexts.use(item.function)
        if context is None:
            context = FunctionContext(source)
            self._contexts.put(item.function, context)
        outcome = context.run(item)
        if context.spent or context.calls >= CALLS_LIMIT or context.loaded.status != "ok":
            del self._contexts[item.function]
        return outcome

    def trim(self) -> None:
        """Drops contexts while the process uses too much memory: first those that keep much, then the oldest."""
        if self._resident_bytes() <= PROCESS_MEMORY_LIMIT_BYTES:
            return
        for function in [number for number, context in self._contexts.items() if context.memory_bytes > KEPT_BYTES]:
            del self._contexts[function]
        while self._contexts and self._resident_bytes() > PROCESS_MEMORY_LIMIT_BYTES:
            self._contexts.popitem(last=False)

    def _resident_bytes(self) -> int:
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 128, 0).split()[1]) * PAGE_BYTES


def _tz(zone: str) -> str:
    """The environment variable TZ for an IANA name or a UTC offset (``+08:00``)."""
    if zone[:1] in "+-":
        east, west = ("+", "-") if zone[0] == "+" else ("-", "+")
        return f"<{east}{zone[1:].replace(':', '')}>{west}{zone[1:]}"
    for folder in zoneinfo.TZPATH:
        if (Path(folder) / zone).is_file():
            return f":{folder}/{zone}"
    spec = importlib.util.find_spec("tzdata")  # what the server names zones by where the system has none
    if spec is None or spec.origin is None:
        return zone
    return f":{Path(spec.origin).parent / 'zoneinfo' / zone}"
