"""The console over a folder of its own: a page, a script with a hash in its name, words, a picture."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from thingstead.console.files import StaticFiles
from thingstead.console.pages import ConsolePages
from thingstead.metrics import HttpRequests

PAGE = "<!doctype html><title>Thingstead</title>" + "<p>x</p>" * 50
SCRIPT = "export const x = 1;\n" * 100
STYLE_HASH = "sha256-" + "A" * 43 + "="


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build leaves."""
    for name, content in {
        "index.html": PAGE,
        "assets/index-Bx3kd91f.js": SCRIPT,
        "words/core.zh.json": '{"a.b":"设备"}\n',
        "style-hashes.txt": f"{STYLE_HASH}\nnonsense; script-src *\n",
    }.items():
        path = tmp_path / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (tmp_path / "static" / "icon.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.txt").write_text("a secret", encoding="utf-8")
    return tmp_path / "static"


@pytest.fixture
def requests() -> HttpRequests:
    return HttpRequests()


@pytest.fixture
def pages(folder: Path, requests: HttpRequests) -> ConsolePages:
    return ConsolePages(StaticFiles(folder), requests, hsts_max_age_s=3600)


@pytest.fixture
async def browser(pages: ConsolePages) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=pages), base_url="http://thingstead:8080") as client:
        yield client
