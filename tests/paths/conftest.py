"""Servers of these tests give functions time, since other tests may occupy the machine."""

import pytest


@pytest.fixture(autouse=True)
def patient_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINGSTEAD_FUNCTIONS_TIME_LIMIT_MS", "400")
