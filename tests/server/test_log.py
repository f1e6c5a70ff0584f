"""Log lines: one formatter for every logger, one line an event, no secrets."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from thingstead import log

Lines = Callable[[], list[str]]


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts back what ``configure`` changes for the whole process."""
    root, ours = logging.getLogger(), logging.getLogger(log.OURS)
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    threading.excepthook = hook


@pytest.fixture
def configure(restored: None) -> Callable[[str, str], Lines]:
    def start(level: str, log_format: str) -> Lines:
        stream = io.StringIO()
        log.configure(level, log_format, stream)
        return lambda: stream.getvalue().splitlines()

    return start


def test_a_console_line_reads_time_level_logger_event_and_pairs(configure: Callable[[str, str], Lines]) -> None:
    lines = configure("info", "console")
    structlog.get_logger("thingstead.mqtt").info("connected", client_id="pump 7", keep_alive=60)
    line = lines()[0]
    assert line.endswith('info    thingstead.mqtt: connected client_id="pump 7" keep_alive=60')
    assert line[:2] == "20"
    assert line.split()[0].endswith("Z")


def test_a_json_line_is_one_object_with_the_documented_members(configure: Callable[[str, str], Lines]) -> None:
    lines = configure("info", "json")
    structlog.get_logger("thingstead.mqtt").warning("refused", reason="温度\ud800")
    record = json.loads(lines()[0])
    assert list(record) == ["timestamp", "level", "logger", "event", "reason"]
    assert (record["level"], record["logger"], record["event"]) == ("warning", "thingstead.mqtt", "refused")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_what_a_peer_sent_never_makes_a_line_of_its_own(
    configure: Callable[[str, str], Lines], log_format: str
) -> None:
    lines = configure("info", log_format)
    forged = "x\n2026-01-01T00:00:00Z info thingstead: forged\r\u2028\x1b[2J"
    structlog.get_logger("thingstead.a").info("connected", client_id=forged, nested={"k": forged})
    structlog.get_logger("thingstead.a").info(forged)
    logging.getLogger("asyncio").warning("bad request %s", forged)
    assert len(lines()) == 3
    assert not any("\x1b" in line for line in lines())


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_values_under_secret_names_are_not_written(configure: Callable[[str, str], Lines], log_format: str) -> None:
    lines = configure("debug", log_format)
    structlog.get_logger("thingstead.a").debug(
        "x", access_token="hunter2", headers={"Authorization": "hunter2", "deep": {"view_secret": "hunter2"}}
    )
    assert "***" in lines()[0]
    assert "hunter2" not in lines()[0]


def test_less_than_the_level_is_not_logged_and_libraries_are_quieter(configure: Callable[[str, str], Lines]) -> None:
    lines = configure("info", "console")
    structlog.get_logger("thingstead.a").debug("no")
    logging.getLogger("uvicorn.error").warning("a peer sent nonsense")
    assert lines() == []
    logging.getLogger("uvicorn.error").error("yes %d", 1)
    assert lines()[0].endswith("error   uvicorn.error: yes 1")


@pytest.mark.parametrize("library", ["websockets.server", "uvicorn.error", "httpcore.http11", "httpx", "asyncio"])
def test_no_library_is_heard_below_a_warning_at_any_level(configure: Callable[[str, str], Lines], library: str) -> None:
    lines = configure("debug", "console")
    structlog.get_logger("thingstead.a").debug("ours")
    for write in (logging.getLogger(library).debug, logging.getLogger(library).info):
        write("Authorization: Bearer hunter2")
    assert [line.endswith("thingstead.a: ours") for line in lines()] == [True]


def test_a_failure_is_logged_with_its_traceback(configure: Callable[[str, str], Lines]) -> None:
    lines = configure("error", "json")
    try:
        raise LookupError("lost")
    except LookupError:
        structlog.get_logger("thingstead.a").exception("failed")
    assert "LookupError: lost" in json.loads(lines()[0])["exception"]


def test_a_thread_that_dies_is_logged(configure: Callable[[str, str], Lines]) -> None:
    lines = configure("info", "json")

    def die() -> None:
        raise LookupError("lost")

    thread = threading.Thread(target=die, name="thingstead-write")
    thread.start()
    thread.join()
    record = json.loads(lines()[0])
    assert record["event"] == "the thread thingstead-write failed"
    assert "LookupError: lost" in record["exception"]
