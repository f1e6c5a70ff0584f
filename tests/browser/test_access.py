"""Without a mouse, with large text, magnified, without motion, in the reader's own colours."""

import asyncio
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import opened
from tests.browser.test_journeys import Language
from tests.browser.test_routes import paths
from tests.browser.visit import View, Visit

pytestmark = pytest.mark.external("chromium")
MOST_TABS = 60


async def tab_to(page: Any, selector: str) -> None:
    """Presses Tab until what matches has the focus, and sees that one can see where it is."""
    for _ in range(MOST_TABS):
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await page.keyboard.press("Tab")
        await page.wait_for_function("() => document.activeElement !== document.body")
    pytest.fail(f"{selector} is not reached by {MOST_TABS} times Tab")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_first_device_is_connected_with_the_keyboard_alone(tmp_path: Path, language: Language) -> None:
    with opened(tmp_path / "data", populated=False) as site:
        async with Visit.begin(site) as visit:
            page = await visit.page(View(language))
            await page.goto(f"{site.url}/console/")
            await page.wait_for_selector("input[name=username]:focus")
            await page.keyboard.type(site.credentials.admin_account)
            await page.keyboard.press("Tab")
            await page.keyboard.type(site.credentials.admin_password)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#main a[href$='/start']")
            await tab_to(page, "#main a[href$='/start']")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#main form input")
            await tab_to(page, "#main form input")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#main [role=radiogroup]")
            await tab_to(page, "#main button[aria-pressed=false]")  # shows the real keys
            await page.keyboard.press("Enter")
            await tab_to(page, "#main input[type=radio]")
            await page.keyboard.press("ArrowRight")
            await page.keyboard.press("ArrowRight")
            line = await page.inner_text("#main pre.code-block")
            assert line.startswith("curl ")
            if shutil.which("curl"):
                run = await asyncio.create_subprocess_exec(*shlex.split(line), stdout=asyncio.subprocess.DEVNULL)
                assert await run.wait() == 0
                await page.wait_for_selector("#main .state.good")
            assert visit.faults == []


@pytest.mark.parametrize("size", [(360, 640), (320, 256)], ids=["a small phone", "400 %"])
async def test_every_page_fits_a_small_screen(visit: Visit, size: tuple[int, int]) -> None:
    view = View("en", "light", size)
    page = await visit.page(view)
    await visit.log_in(page)
    for path in paths(visit.site):
        await visit.open(page, path)
        wide: int = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size[0], path
        heading = await page.locator("h1").bounding_box()
        assert heading["x"] + heading["width"] <= size[0], path
    assert visit.faults == []


async def test_the_bar_fits_a_small_screen_before_the_console_listens(visit: Visit) -> None:
    page = await visit.page(View("en", "light", (320, 256)))
    await page.route_web_socket("**/mqtt", lambda socket: None)  # is never answered
    await visit.log_in(page, settled=False)
    await page.wait_for_selector("header .indicator:not(.live)")
    await page.evaluate("document.querySelector('header .bell .count')?.replaceChildren('999+')")
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    end = await page.locator("header .end").bounding_box()
    assert end["x"] + end["width"] <= 320


async def test_text_of_twice_the_size_is_whole(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page)
    for path in paths(visit.site):
        await visit.open(page, path)
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        cut: list[str] = await page.evaluate(
            """() => [...document.querySelectorAll("nav a, #main button, #main h1, #main h2, #main dt")]
              .filter(one => one.checkVisibility() && !one.closest(".visually-hidden"))
              .filter(one => one.scrollHeight > one.clientHeight + 4 && getComputedStyle(one).overflowY === "hidden")
              .map(one => one.textContent.trim())"""
        )
        wide: int = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert (cut, wide) == ([], 0), path
    assert visit.faults == []


async def test_nothing_moves_for_who_wants_no_motion(visit: Visit) -> None:
    page = await visit.page(View(size=(390, 844)), reduced_motion="reduce")
    await visit.log_in(page, "/devices")
    await visit.settled(page)
    await page.click("header .menu")
    moving: list[float] = await page.evaluate(
        """() => [...document.querySelectorAll("*")].flatMap(one => {
          const {animationDuration, transitionDuration} = getComputedStyle(one)
          return [...animationDuration.split(","), ...transitionDuration.split(",")].map(parseFloat)
        }).filter(seconds => seconds > 0.001)"""
    )
    assert moving == []


async def test_what_is_chosen_and_online_is_seen_in_the_readers_own_colours(visit: Visit) -> None:
    page = await visit.page(forced_colors="active")
    await visit.log_in(page, f"/devices/{visit.site.devices['reporting'].device_id}/attributes")
    await visit.settled(page)
    for chosen, other in (
        ("nav a[aria-current=page]", "nav a:not([aria-current=page])"),
        (".segments .chosen", ".segments label:not(.chosen)"),
        (".indicator .dot", "body"),
    ):
        colours = [
            await page.locator(one).first.evaluate("one => getComputedStyle(one).backgroundColor")
            for one in (chosen, other)
        ]
        assert colours[0] != colours[1], chosen
    assert visit.faults == []
