"""The house of the registry's tests."""

from tests.api.registry.conftest import api, enter, house, stranger

__all__ = ["api", "enter", "house", "stranger"]
