"""A connection that nobody closes is found."""

import gc
import sqlite3
import sys
from contextlib import closing
from typing import Any

import pytest

from tests.connections import Unclosed


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the garbage collector met."""
    met: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: met.append(what.exc_value))
    return met


def test_a_connection_that_nobody_closes_is_named_by_its_line(unraisable: list[Any]) -> None:
    with sqlite3.connect(":memory:") as connection:
        line = connection.opened_at  # type: ignore[attr-defined]
    del connection
    gc.collect()
    [error] = unraisable
    assert isinstance(error, Unclosed)
    assert line in str(error)
    assert "test_connections.py:" in line


def test_a_closed_connection_is_no_fault(unraisable: list[Any]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("SELECT 1")
    del connection
    gc.collect()
    assert unraisable == []
