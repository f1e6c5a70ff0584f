"""Starting and stopping a server inside this process."""

import asyncio
import os
import socket
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.project_api import ProjectApi
from thingstead.config import Config
from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.refusals import Reason
from thingstead.server import FolderInUse, initialize, open_platform, open_server
from thingstead.server.http import HttpListener


async def status(port: int, path: str) -> int:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        return (await client.get(path)).status_code


def files(config: Config) -> list[str] | None:
    """What is in the data folder; None where there is none."""
    folder = Path(config.data_dir)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else None


def make_empty_database(config: Config) -> None:
    folder = Path(config.data_dir)
    folder.mkdir()
    (folder / "thingstead.sqlite").touch()


async def test_inside_the_block_every_port_is_open_and_after_it_none(config: Config) -> None:
    async with open_server(config) as server:
        ports = (server.http_port, server.mqtt_port)
        for port in ports:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        assert await status(server.http_port, "/healthz") == 200
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_the_credentials_of_a_new_folder_open_it_now_and_after_a_restart(config: Config) -> None:
    async with open_server(config) as server:
        credentials = server.credentials
        assert credentials is not None
        with await asyncio.to_thread(ProjectApi, f"http://127.0.0.1:{server.http_port}", credentials):
            pass
    async with open_server(config) as server:
        assert server.credentials is None
        with await asyncio.to_thread(ProjectApi, f"http://127.0.0.1:{server.http_port}", credentials):
            pass


async def test_a_start_that_fails_after_initializing_leaves_the_folder_empty(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_listener: HttpListener) -> None:
        raise Unavailable(Reason("unknown_refusal", "no more sockets"))

    with monkeypatch.context() as patch:
        patch.setattr(HttpListener, "start", fail)
        with pytest.raises(Unavailable):
            async with open_server(config):
                pass
    assert files(config) == ["lock"]
    async with open_server(config) as server:
        assert server.credentials is not None


async def test_a_start_that_fails_later_leaves_an_initialized_folder_as_it_is(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await initialize(config)

    async def fail(_listener: HttpListener) -> None:
        raise Unavailable(Reason("unknown_refusal", "no more sockets"))

    with monkeypatch.context() as patch:
        patch.setattr(HttpListener, "start", fail)
        with pytest.raises(Unavailable):
            async with open_server(config):
                pass
    async with open_platform(config) as platform:
        assert len(await platform.projects.list_all()) == 1


@pytest.mark.parametrize("setting", ["http_port", "mqtt_port"])
async def test_a_taken_port_keeps_the_folder_from_being_made(config: Config, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = msgspec.structs.replace(config, **{setting: other.getsockname()[1]})
        with pytest.raises(Conflict, match=f"{setting}: cannot listen on"):
            async with open_server(taken):
                pass
    assert files(config) is None


async def test_commands_for_a_stopped_server_are_refused_while_it_runs(config: Config) -> None:
    async with open_server(config):
        with pytest.raises(FolderInUse, match=rf"pid {os.getpid()}"):
            async with open_platform(config):
                pass
        with pytest.raises(Conflict, match="initialized already"):
            await initialize(config)


async def test_a_folder_without_a_project_is_refused_rather_than_served(config: Config) -> None:
    make_empty_database(config)
    with pytest.raises(ConfigError, match="holds no project"):
        async with open_server(config):
            pass


async def test_running_ends_when_it_is_told_to(config: Config) -> None:
    stop = asyncio.Event()
    async with open_server(config) as server:
        running = asyncio.ensure_future(server.run_until(stop))
        assert await status(server.http_port, "/healthz") == 200
        assert not running.done()
        stop.set()
        await running


async def test_a_project_sees_nothing_of_another_one(config: Config) -> None:
    async with open_server(config) as server:
        assert server.credentials is not None
        url = f"http://127.0.0.1:{server.http_port}"
        other = await server.platform.projects.create("other")

        def look() -> None:
            with ProjectApi(url, server.credentials) as first, ProjectApi(url, other) as second:  # type: ignore[arg-type]
                device = first.create_device(device_key="K1")
                assert second.call("GET", "/devices")["total"] == 0
                assert second.answer("GET", f"/device/{device.device_id}")["errcode"] == 404
                second.create_device(device_key="K1")  # unique in its own project only

        await asyncio.to_thread(look)
