"""Chromium as a reader of the console: what pages load, how soon they show, and what they cost while they live."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.console_site import Site

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 60_000
WIDTH, HEIGHT = 1280, 800
SLOW_CPU = 4  # times slower
SLOW_LATENCY_MS = 150
SLOW_BYTES_A_SECOND = 1_600_000 // 8
ROW = "[role=row] a[href*='/devices/']"

# When the first row was painted, counted from the navigation.
WATCH_FIRST_ROW = f"""
new MutationObserver((_, mine) => {{
  if (!document.querySelector("{ROW}")) return
  mine.disconnect()
  const seen = () => (window.firstRow ??= performance.now())
  requestAnimationFrame(() => setTimeout(seen))
  setTimeout(seen, 10_000) // a page that is not drawn has no frames
}}).observe(document, {{childList: true, subtree: true}})
"""
# How long the frames took while a list was scrolled, three rows a frame, and the tasks above 50 ms among them.
SCROLL = """async frames => {
  const frame = document.querySelector("main [role=region]")
  const long = []
  const observer = new PerformanceObserver(list => long.push(...list.getEntries().map(entry => entry.duration)))
  observer.observe({type: "longtask"})
  const times = []
  for (let number = 0, before = performance.now(); number < frames; number += 1) {
    frame.scrollTop += 120
    const at = await new Promise(done => requestAnimationFrame(() => done(performance.now())))
    times.push(at - before)
    before = at
  }
  await new Promise(done => setTimeout(done, 300))
  observer.disconnect()
  return {times: times.sort((a, b) => a - b), long}
}"""
# From a press on the scroll bar until the rows of that place stand there.
JUMP = """share => new Promise(done => {
  const frame = document.querySelector("main [role=region]")
  const before = performance.now()
  const whole = () => !frame.querySelector(".wait") && frame.querySelector("[role=row] a")
  const look = () => whole() ? setTimeout(() => done(performance.now() - before)) : requestAnimationFrame(look)
  frame.scrollTop = share * frame.scrollHeight
  requestAnimationFrame(() => requestAnimationFrame(look))
})"""
# From each key until the frame behind it.
WATCH_INPUT = """() => {
  window.waits = []
  addEventListener("keydown", event => requestAnimationFrame(() => {
    const after = new MessageChannel()
    after.port1.onmessage = () => window.waits.push(performance.now() - event.timeStamp)
    after.port2.postMessage(0)
  }), true)
}"""
# From a press on the button of a year until that year is drawn, with the number of points beside it.
DRAW_YEAR = """([label, points]) => new Promise((done, failed) => {
  const drawn = () => {
    const [number] = /^[\\d,]+/.exec(document.querySelector("figure .note")?.textContent ?? "") ?? ["0"]
    return Number(number.replaceAll(",", "")) >= points
  }
  const before = performance.now()
  const look = () => {
    if (drawn()) setTimeout(() => done(performance.now() - before))
    else if (performance.now() > before + 60_000) failed(new Error("no year was drawn"))
    else requestAnimationFrame(look)
  }
  const buttons = [...document.querySelectorAll("main [role=radio], main label, main button")]
  buttons.find(button => button.textContent.trim() === label).click()
  requestAnimationFrame(look)
})"""


class NoBrowser(Exception):
    """Playwright or Chromium is not here."""


class Live(NamedTuple):
    """What a page cost while values came."""

    main_thread: float  # share of the time
    input_ms: list[float]  # from each key to the next frame, sorted
    heap_bytes: tuple[int, int]  # after a collection, at the start and at the end
    reports: int  # that the page had seen


class Reader:
    """Somebody who is logged in, with a browser that has kept nothing but that."""

    def __init__(self, browser: Any, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._state: Any = None

    def log_in(self) -> None:
        """Logs in once for all pages."""
        with self.page() as page:
            page.goto(self.address("/login"))
            page.fill("input[name=username]", self._site.account)
            page.fill("input[name=password]", self._site.password)
            page.click("button[type=submit]")
            page.wait_for_selector("#main h1")
            self._state = page.context.storage_state()

    def address(self, path: str) -> str:
        return f"{self._site.url}/console{path}"

    @contextlib.contextmanager
    def page(self) -> Iterator[Any]:
        """A page without anything in the cache."""
        context = self._browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", storage_state=self._state
        )
        try:
            page = context.new_page()
            page.set_default_timeout(TIMEOUT_MS)
            yield page
        finally:
            context.close()

    def loaded_bytes(self, path: str, ready: str, *, logged_in: bool = True) -> int:
        """Bytes of static files, as they were sent, until the page can be used."""
        kept, self._state = self._state, self._state if logged_in else None
        try:
            with self.page() as page:
                page.goto(self.address(path))
                page.wait_for_selector(ready)
                page.wait_for_load_state("networkidle")
                sizes: int = page.evaluate(
                    """() => performance.getEntries()
                      .filter(entry => entry.encodedBodySize && new URL(entry.name).pathname.startsWith("/console"))
                      .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
                )
                return sizes
        finally:
            self._state = kept

    def first_row_ms(self, *, slow: bool) -> float:
        """From the navigation to the first row of the list, with an empty cache."""
        with self.page() as page:
            page.add_init_script(WATCH_FIRST_ROW)
            if slow:
                _slow_down(page)
            page.goto(self.address("/devices"), wait_until="commit")
            page.wait_for_selector(ROW, state="attached")
            page.wait_for_function("() => window.firstRow !== undefined", polling=50)
            found: float = page.evaluate("window.firstRow")
            return found

    def scrolled(self, frames: int) -> tuple[list[float], list[float], int, list[float]]:
        """Times of the frames and of the long tasks among them, nodes of the page, and of three jumps the waits."""
        with self.page() as page:
            page.goto(self.address("/devices"))
            page.wait_for_selector(ROW)
            page.wait_for_load_state("networkidle")
            found = page.evaluate(SCROLL, frames)
            nodes: int = page.evaluate("document.querySelectorAll('*').length")
            jumps = []
            for share in (0.25, 0.75, 0.5):
                jumps.append(page.evaluate(JUMP, share))
                page.wait_for_timeout(500)
            return found["times"], found["long"], nodes, jumps

    def live(self, seconds: float, warmup_s: float, *, slow: bool = False) -> Live:
        """The attributes of the device that reports, with keys pressed beside it."""
        with self.page() as page:
            page.goto(self.address(f"/devices/{self._site.live.id}/attributes"))
            page.wait_for_selector(".indicator.live")
            page.wait_for_selector("figure canvas")
            tools = page.context.new_cdp_session(page)
            tools.send("Performance.enable")
            if slow:
                tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_CPU})
            page.wait_for_timeout(1000 * warmup_s)
            page.evaluate(WATCH_INPUT)
            heap = _heap_bytes(tools)
            begun, busy = time.monotonic(), _metric(tools, "TaskDuration")
            field = page.locator("input[type=search]")
            field.focus()
            while time.monotonic() < begun + seconds:
                page.keyboard.press("a")
                page.wait_for_timeout(500)
                page.keyboard.press("Backspace")
                page.wait_for_timeout(500)
            share = (_metric(tools, "TaskDuration") - busy) / (time.monotonic() - begun)
            reports = page.evaluate("Number(document.querySelector('figure .note').textContent.replace(/\\D/g, ''))")
            return Live(share, sorted(page.evaluate("window.waits")), (heap, _heap_bytes(tools)), reports)

    def year_ms(self, points: int) -> float:
        """From the press on "1 y" until a year is drawn."""
        with self.page() as page:
            page.goto(self.address(f"/devices/{self._site.year.id}/attributes?chart=a00"))
            page.wait_for_selector("figure")
            page.wait_for_load_state("networkidle")
            found: float = page.evaluate(DRAW_YEAR, ["1 y", points * 0.99])  # the oldest are a year old
            return found


@contextlib.contextmanager
def reader(site: Site) -> Iterator[Reader]:
    """Raises: NoBrowser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as exc:
        raise NoBrowser("Playwright is not installed: script/env dev") from exc
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        raise NoBrowser("Chromium is not on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            someone = Reader(browser, site)
            someone.log_in()
            yield someone
        finally:
            browser.close()


def _slow_down(page: Any) -> None:
    tools = page.context.new_cdp_session(page)
    tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_CPU})
    tools.send("Network.enable")
    network = {"downloadThroughput": SLOW_BYTES_A_SECOND, "uploadThroughput": SLOW_BYTES_A_SECOND}
    tools.send("Network.emulateNetworkConditions", {"offline": False, "latency": SLOW_LATENCY_MS, **network})


def _metric(tools: Any, name: str) -> float:
    found = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return float(found[name])


def _heap_bytes(tools: Any) -> int:
    tools.send("HeapProfiler.collectGarbage")
    return int(_metric(tools, "JSHeapUsedSize"))
