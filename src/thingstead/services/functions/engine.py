"""One function in the JavaScript engine: a context of its own, with its limits. Runs in worker processes only.

The engine can be hung or crashed by a hostile function, whatever its limits (decision 0018), so nothing in the server
imports this module.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import quickjs

from thingstead.services.functions.frames import LOAD_ONLY, CallItem, CallStatus
from thingstead.services.functions.limits import (
    DETAIL_LENGTH,
    LINE_LENGTH,
    LINES_LIMIT,
    LOAD_LIMIT_S,
    MEMORY_LIMIT_BYTES,
    OUTPUT_LIMIT_BYTES,
    STACK_LIMIT_BYTES,
)

NO_ROOM = "threw null"  # what is thrown where not even the error fits into the memory
FAILED: dict[str, CallStatus] = {"interrupted": "time", "out of memory": "memory"}
TEXTS = {
    "time": "the time limit is exceeded",
    "memory": "the memory limit is exceeded",
    "error": "the function failed",
}

_decode_text = msgspec.json.Decoder(str).decode
_decode_lines = msgspec.json.Decoder(list[str]).decode
_limits = {"lines": LINES_LIMIT, "line": LINE_LENGTH, "output": OUTPUT_LIMIT_BYTES, "detail": DETAIL_LENGTH}
_folder = Path(__file__).with_name("javascript")
PRELUDE = (_folder / "buffer.js").read_text("utf-8") + (_folder / "cloud.js").read_text("utf-8").replace(
    '"use strict";', f'"use strict"; var LIMITS = {json.dumps(_limits)};', 1
)


class CallOutcome(NamedTuple):
    """How one call ended."""

    status: CallStatus
    text: str
    lines: list[str]


class FunctionContext:
    """A function, loaded."""

    def __init__(self, source: str) -> None:
        self.calls = 0
        self.spent = False  # after a limit was exceeded nothing is promised about a context
        self.slow = True  # until a call showed otherwise
        self._time_limit_ms = 0
        context = self._context = quickjs.Context()
        context.set_memory_limit(MEMORY_LIMIT_BYTES)
        context.set_max_stack_size(STACK_LIMIT_BYTES)
        context.eval(PRELUDE)
        load, self._call, self._lines = (context.get(name) for name in ("__load", "__call", "__lines"))
        context.eval("delete globalThis.__load; delete globalThis.__call; delete globalThis.__lines;")
        context.set_time_limit(LOAD_LIMIT_S)
        self.loaded = self._run(load, json.dumps(source))  # escapes whatever is no text

    @property
    def memory_bytes(self) -> int:
        """Memory of the context; counted anew, at some 30 µs."""
        return int(self._context.memory()["malloc_size"])

    def run(self, item: CallItem) -> CallOutcome:
        """Calls the function once."""
        if self.loaded.status != "ok" or item.kind == LOAD_ONLY:
            return self.loaded
        self.calls += 1
        if item.time_limit_ms != self._time_limit_ms:
            self._time_limit_ms = item.time_limit_ms
            self._context.set_time_limit(item.time_limit_ms / 1000)
        return self._run(self._call, item.kind, item.argument, item.device, item.current, item.identifier)

    def _run(self, function: Any, *arguments: Any) -> CallOutcome:
        try:
            returned = function(*arguments)
        except quickjs.StackOverflow:
            returned, status, text = None, "error", "the recursion is too deep"
        except quickjs.JSException as exc:
            message = str(exc)
            found = [FAILED[words] for words in FAILED if words in message[:200]]
            status = found[0] if found else "error"
            returned, text = None, TEXTS[status]
        if returned is None:
            self.spent = True
            return CallOutcome(status, text, self._console())  # type: ignore[arg-type]  # one of FAILED, or error
        status, text = _told(returned)
        if status == "memory" or text == NO_ROOM:
            self.spent = True
        return CallOutcome(status, text, self._console())

    def _console(self) -> list[str]:
        try:
            lines = self._lines()
            return [line.encode("utf-8", "replace").decode() for line in _decode_lines(lines)] if lines else []
        except (quickjs.JSException, msgspec.MsgspecError, TypeError, ValueError):
            self.spent = True
            return []


def _told(returned: Any) -> tuple[CallStatus, str]:
    if not isinstance(returned, str):
        return "error", TEXTS["error"]
    try:
        if len(returned.encode()) > OUTPUT_LIMIT_BYTES:
            return "error", f"the result is longer than {OUTPUT_LIMIT_BYTES} bytes"
        if returned.startswith("="):
            return "ok", returned[1:]
        detail = _decode_text(returned[1:])
    except (ValueError, msgspec.MsgspecError):  # half of a surrogate pair
        return "error", TEXTS["error"]
    return ("memory", TEXTS["memory"]) if detail.startswith("InternalError: out of memory") else ("error", detail)
