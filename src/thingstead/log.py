"""How this process logs: one formatter, to standard error, for our own loggers and those of the libraries.

Use ``structlog.get_logger("thingstead.<room>")`` and pass what belongs to an event as keywords; never a payload and
never a request body. As a second net, values under keys that name a secret are not written.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

REDACTED = "***"
_SECRET = re.compile(
    r"password|passwd|secret|token|authorization|cookie|credential|access_key|project_key", re.IGNORECASE
)
# Control characters, and those that change the direction of text on a terminal.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_PLAIN = re.compile(rf"[^\s\"'=\\{_UNSAFE}]+")
_CONTROL = re.compile(f"[{_UNSAFE}]")

OURS = "thingstead"  # parent of all loggers of this package
# Below this level libraries log data that passes through them, credentials included.
_LEAST_OF_LIBRARIES = logging.WARNING
# Loggers that warn once per request about a peer's fault, so that a peer could fill the disk.
_CHATTY = {"uvicorn": logging.ERROR, "uvicorn.error": logging.ERROR, "websockets": logging.ERROR}
# Logged by uvicorn when our application ends an answer early, which closes the connection; the reason is logged before.
_ENDED_EARLY = "ASGI callable returned without completing response."

EventDict = MutableMapping[str, Any]


def configure(level: str = "info", log_format: str = "console", stream: TextIO | None = None) -> None:
    """Writes every log line of the process to ``stream`` (default: standard error).

    Args:
        level: lowest level that is logged: ``debug``, ``info``, ``warning`` or ``error``. Libraries log ``warning`` and
            above, whatever the level.
        log_format: ``console`` for people, ``json`` for one JSON object per line: ``timestamp`` (ISO 8601, UTC),
            ``level``, ``logger``, ``event``, then the values of the event; ``exception`` holds a traceback.
    """
    threshold: int = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    render = _render_json if log_format == "json" else _render_console
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, _ordered, render],
            pass_foreign_args=False,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, _LEAST_OF_LIBRARIES))
    logging.getLogger(OURS).setLevel(threshold)
    for name, least in _CHATTY.items():
        logging.getLogger(name).setLevel(max(threshold, least))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_failure


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != _ENDED_EARLY


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "unknown"
    logging.getLogger("thingstead").error("the thread %s failed", name, exc_info=failure.exc_value)


def _redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key.startswith("_"):  # of structlog
            continue
        if _SECRET.search(key):
            event[key] = REDACTED
        elif isinstance(value, dict):
            event[key] = _without_secrets(value)
    return event


def _without_secrets(value: dict[Any, Any]) -> dict[Any, Any]:
    return {
        key: REDACTED if _SECRET.search(str(key)) else _without_secrets(member) if isinstance(member, dict) else member
        for key, member in value.items()
    }


def _ordered(_logger: Any, _method: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in ("timestamp", "level", "logger", "event") if key in event}
    last = {key: event.pop(key) for key in ("exception", "stack") if key in event}
    return {**first, **event, **last}


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    # ASCII, so that input of a peer cannot produce bytes that log readers fail on.
    return json.dumps(event, default=repr, skipkeys=True)


def _render_console(_logger: Any, _method: str, event: EventDict) -> str:
    trace = "".join(f"\n{event.pop(key)}" for key in ("exception", "stack") if event.get(key))
    timestamp, level, name = (event.pop(key, "") for key in ("timestamp", "level", "logger"))
    message = _CONTROL.sub(_escaped, str(event.pop("event", "")))
    pairs = "".join(f" {key}={_shown(value)}" for key, value in event.items())
    return f"{timestamp} {level:<7} {name}: {message}{pairs}{trace}"


def _shown(value: Any) -> str:
    """A value on one line, escaped so that input of a peer cannot look like another line or key."""
    text = value if isinstance(value, str) else repr(value)
    if not isinstance(value, str) or _PLAIN.fullmatch(text):
        return _CONTROL.sub(_escaped, text)
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"
