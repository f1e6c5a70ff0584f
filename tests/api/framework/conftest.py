"""A client of endpoints that do nothing."""

import httpx
import pytest

from tests.api.framework.endpoints import Connect, app


@pytest.fixture
def client(connect: Connect) -> httpx.AsyncClient:
    return connect(app())
