"""One browser at one site, and what its pages must never do."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.project_api import Certificate
from tests.server_process import ServerProcess
from thingstead.services.registry.projects import Credentials

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
WORDS = ROOT / "src" / "thingstead" / "console" / "static" / "words"
PICTURES = ROOT / "build" / "pictures"  # of every page that was visited, to be looked at
DESK, PHONE = (1280, 800), (390, 844)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# How many times slower the processor of each page is; the way to the server is long, too.
SLOW = int(os.environ.get("CONSOLE_SLOW", "1"))
LATENCY_MS = 40
PATIENCE_MS = 30_000 * SLOW
# What a browser itself writes about an answer that a test asks for.
EXPECTED = "Failed to load resource", "WebSocket connection to"


class Site(NamedTuple):
    """A server, what opens it, and its devices by what they are."""

    process: ServerProcess
    credentials: Credentials
    devices: dict[str, Certificate]
    front: str = ""  # where browsers reach it, if something stands before it

    @property
    def url(self) -> str:
        return self.front or self.process.url


class View(NamedTuple):
    """How somebody looks at the console."""

    language: str = "en"
    theme: str = "light"
    size: tuple[int, int] = DESK
    timezone: str = "Europe/Berlin"

    def __str__(self) -> str:
        return f"{self.language}-{self.theme}-{self.size[0]}"


@asynccontextmanager
async def running_browser() -> AsyncIterator[Any]:
    """Chromium, without pages."""
    from playwright.async_api import async_playwright

    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """A browser at a site. Pages are opened in views; faults are gathered from all of them.

    Attributes:
        faults: what the pages wrote to the console, threw, or asked from other hosts.
    """

    def __init__(self, site: Site, browser: Any) -> None:
        self.site = site
        self.faults: list[str] = []
        self._browser = browser
        self._contexts: list[Any] = []

    @classmethod
    @asynccontextmanager
    async def begin(cls, site: Site, browser: Any = None) -> AsyncIterator["Visit"]:
        """In a browser that runs already, or in one of its own. Its pages are closed at the end."""
        async with AsyncExitStack() as stack:
            visit = cls(site, browser or await stack.enter_async_context(running_browser()))
            stack.push_async_callback(visit._close)
            yield visit

    async def _close(self) -> None:
        for context in self._contexts:
            await context.close()

    async def page(self, view: View = View(), **wishes: Any) -> Any:  # noqa: B008 - immutable
        """A page of a browser that nobody has used before; ``wishes``, such as ``forced_colors``, go to Playwright."""
        phone = view.size[0] < 800
        context = await self._browser.new_context(
            viewport={"width": view.size[0], "height": view.size[1]},
            locale="zh-CN" if view.language == "zh" else "en-GB",
            color_scheme=view.theme,
            timezone_id=view.timezone,
            has_touch=phone,
            is_mobile=phone,
            **wishes,
        )
        self._contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        if SLOW > 1:
            await _slow_down(page)
        page.on("pageerror", lambda error: self.faults.append(f"threw {error}"))
        page.on("console", self._wrote)
        page.on("request", self._asked)
        page.on("response", self._answered)
        return page

    def _wrote(self, message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.faults.append(f"wrote {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.site.url, "data:", "blob:")):
            self.faults.append(f"asked for {request.url}")

    async def _answered(self, response: Any) -> None:
        """A page that sends a name which the server does not know, or what it refuses, is wrong."""
        path = response.url.removeprefix(self.site.url)
        if not path.startswith("/api/v1/") or not response.ok:
            return
        try:
            answer: Any = await response.json()
        except Exception:  # noqa: BLE001 - the page is gone, and with it the answer
            return
        if answer.get("warnings") or answer.get("errcode") == 400:
            self.faults.append(f"{path} was answered {json.dumps(answer)[:300]}")

    async def log_in(self, page: Any, path: str = "/", *, settled: bool = True) -> None:
        """Opens a page behind the log-in, as somebody who has to log in first; ``settled`` as after ``settled()``."""
        await page.goto(f"{self.site.url}/console{path}")
        await self.fill_log_in(page)
        await page.wait_for_selector("#main h1")
        if settled:
            await self.settled(page)

    async def fill_log_in(self, page: Any, within: str = "") -> None:
        """Fills the form of the log-in and sends it."""
        await page.fill(f"{within} input[name=username]", self.site.credentials.admin_account)
        await page.fill(f"{within} input[name=password]", self.site.credentials.admin_password)
        await page.click(f"{within} button[type=submit]")

    async def prefer(self, page: Any, **preferences: Any) -> None:
        """Keeps preferences with the account, from a page that keeps none by itself."""
        await page.goto(f"{self.site.url}/console/licenses.json")
        await page.evaluate(
            """async preferences => {
              const headers = {"X-Thingstead": "1", "Content-Type": "application/json"}
              await fetch("/api/v1/admin/preferences", {method: "PUT", headers, body: JSON.stringify(preferences)})
            }""",
            preferences,
        )

    async def open(self, page: Any, path: str) -> None:
        """Opens a page and waits until everything on it has been read."""
        await page.goto(f"{self.site.url}/console{path}")
        await self.settled(page)

    async def settled(self, page: Any) -> None:
        """Returns when nothing on a page waits for the server any more, and the server tells it what changes."""
        await page.wait_for_selector("h1")
        await page.wait_for_function(
            "() => !document.querySelector('.skeleton, .wait, .indicator:is(.off, .connecting, [aria-busy=true])')"
        )
        await page.wait_for_function("() => document.fonts.status === 'loaded'")


async def _slow_down(page: Any) -> None:
    tools = await page.context.new_cdp_session(page)
    await tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOW})
    way = {"offline": False, "latency": SLOW * LATENCY_MS, "downloadThroughput": -1, "uploadThroughput": -1}
    await tools.send("Network.enable")
    await tools.send("Network.emulateNetworkConditions", way)


async def complaints(page: Any, view: View) -> list[str]:
    """What is wrong with a page as it stands."""
    found = []
    # Not beside innerWidth: the browser of a phone makes that as wide as what is too wide.
    wide: int = await page.evaluate("document.documentElement.scrollWidth") - view.size[0]
    if wide > 0:
        found.append(f"is {wide} px too wide")
    heads: int = await page.locator("h1").count()
    if heads != 1:
        found.append(f"has {heads} h1")
    shown: str = await page.inner_text("body")
    found += [f"shows the name of a word: {name}" for name in _names() if name in shown]
    language: str = await page.evaluate("document.documentElement.lang")
    if language != view.language:
        found.append(f"says that it is in {language}")
    title: str = await page.title()
    if not title.endswith(" · Thingstead"):
        found.append(f"is called {title!r}")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    result: Any = await page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    for violation in result["violations"]:
        nodes = ", ".join(node["html"][:120] for node in violation["nodes"][:3])
        found.append(f"breaks {violation['id']}: {nodes}")
    return found


def _names() -> list[str]:
    return [name for file in WORDS.glob("*.en.json") for name in json.loads(file.read_text(encoding="utf-8"))]
