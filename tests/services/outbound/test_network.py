"""The resolver: names of one project that resolve slowly leave threads to others."""

import asyncio
import socket
import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from thingstead.model.tenant import TENANT
from thingstead.services.outbound.network import TENANT_THREADS_LIMIT, THREADS_LIMIT, AddressForbidden, Resolver


async def test_slow_names_of_a_project_do_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, plain = threading.Event(), socket.getaddrinfo
    asked: list[str] = []

    def slow(name: str, *more: Any, **options: Any) -> Any:
        if name.startswith("slow"):
            asked.append(name)
            go_on.wait(60)
            raise OSError(name)
        return plain(name, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = Resolver()
    TENANT.set("hostile")
    waiting = [asyncio.create_task(resolver.addresses(f"slow{n}", 80)) for n in range(2 * THREADS_LIMIT)]
    try:
        async with asyncio.timeout(30):
            while len(asked) < TENANT_THREADS_LIMIT:  # noqa: ASYNC110 - threads
                await asyncio.sleep(0.01)
            for task in waiting[:TENANT_THREADS_LIMIT]:
                task.cancel()  # as by a time-out; their threads are still taken
            await asyncio.wait(waiting[:TENANT_THREADS_LIMIT])
            TENANT.set("other")
            assert await resolver.addresses("127.0.0.1", 80) == ["127.0.0.1"]
            assert len(asked) == TENANT_THREADS_LIMIT
    finally:
        go_on.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*waiting, return_exceptions=True)
        resolver.close()
    assert len(asked) == 2 * THREADS_LIMIT


async def test_a_name_that_is_refused_again_and_again_is_logged_once() -> None:
    resolver = Resolver()
    with capture_logs() as lines:
        for name in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.1"):
            with pytest.raises(AddressForbidden):
                await resolver.permitted(name, 80, private=False)
    assert [line["host"] for line in lines] == ["127.0.0.1", "127.0.0.2"]
    resolver.close()
