"""The documentation in a browser: it is read with and without a script, and sends only what its reader clicks."""

import json
from typing import Any

import pytest

from tests.browser.conftest import HOSTILE
from tests.browser.visit import DESK, PHONE, View, Visit, complaints

pytestmark = pytest.mark.external("chromium")

VIEWS = [View("en", "light", DESK), View("zh", "dark", PHONE)]
PAGES = ("", "device-plane", "devices-http")


async def opened(visit: Visit, page: Any, name: str, language: str = "en") -> None:
    await page.goto(f"{visit.site.url}/docs/{language}/{name}".rstrip("/"))


@pytest.mark.parametrize("view", VIEWS, ids=str)
async def test_the_pages_are_readable_for_everybody(visit: Visit, view: View) -> None:
    page = await visit.page(view)
    found = {}
    for name in PAGES:
        await opened(visit, page, name, view.language)
        found[name] = await complaints(page, view)
    assert found == {name: [] for name in PAGES}
    assert visit.faults == []


async def test_a_request_is_sent_when_its_button_is_clicked_and_with_the_session_of_the_console(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page)
    await page.goto(f"{visit.site.url}/console/licenses.json")  # asks for nothing by itself
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(visit.site.url)}"))
    await opened(visit, page, "devices")
    article = page.locator("article#list_devices")
    await article.get_by_role("button", name="Try it").click()
    assert not [each for each in asked if "/api/" in each]
    await article.get_by_label("online", exact=True).fill("")
    await article.get_by_label("attributes", exact=True).fill("")
    await article.get_by_role("button", name="Send").click()
    await article.get_by_role("status").filter(has_text="200").wait_for()
    assert [each for each in asked if "/api/" in each] == ["GET /api/v1/devices"]
    answer = json.loads(await article.locator(".try pre").inner_text())
    assert HOSTILE in [item["name"] for item in answer["info"]["items"]]
    assert await page.locator("img").count() == 0
    assert visit.faults == []


async def test_a_change_is_made_with_the_session_and_without_one_nothing_is(visit: Visit) -> None:
    page = await visit.page()
    await opened(visit, page, "devices")
    article = page.locator("article#create_device")
    await article.get_by_role("button", name="Try it").click()
    await article.get_by_label("body").fill('{"name": "made on a page"}')
    await article.get_by_role("button", name="Send").click()
    await article.get_by_role("status").filter(has_text="401").wait_for()
    assert await article.get_by_role("link", name="Log in at the console").get_attribute("href") == "/console/"
    await visit.log_in(page)
    await opened(visit, page, "devices")
    await article.get_by_role("button", name="Try it").click()
    await article.get_by_label("body").fill('{"name": "made on a page"}')
    await article.get_by_role("button", name="Send").click()
    await article.get_by_role("status").filter(has_text="200").wait_for()
    assert json.loads(await article.locator(".try pre").inner_text())["info"]["name"] == "made on a page"


async def test_parts_of_a_path_cannot_lead_elsewhere(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page)
    await page.goto(f"{visit.site.url}/console/licenses.json")  # asks for nothing by itself
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(visit.site.url)))
    await opened(visit, page, "devices")
    article = page.locator("article#read_device")
    await article.get_by_role("button", name="Try it").click()
    await article.get_by_role("button", name="Send").click()  # the id is missing
    for device_id in ("..", ".", "../../admins?x=", "//evil.example/", "a#b"):
        await article.get_by_label("device_id").fill(device_id)
        await article.get_by_role("button", name="Send").click()
    await article.get_by_role("status").filter(has_text="a%23b →").wait_for()
    sent = [each.removeprefix("/api/v1/device/") for each in asked if "/api/" in each]
    assert set(sent) <= {"..%2F..%2Fadmins%3Fx%3D", "%2F%2Fevil.example%2F", "a%23b"}


async def test_the_search_finds_an_operation_and_shows_texts_as_they_are(visit: Visit) -> None:
    page = await visit.page()
    await opened(visit, page, "")
    await page.get_by_role("searchbox").fill("<img src=x onerror=alert(1)>")
    await page.get_by_text("Nothing found").wait_for()
    await page.get_by_role("searchbox").fill("post alarm_rule create")
    await page.get_by_role("link", name="Create an alarm rule").click()
    await page.wait_for_url("**/docs/en/alarm-rules#create_alarm_rule")
    assert visit.faults == []


async def test_a_tab_stays_chosen_on_the_next_page_and_works_without_a_script(visit: Visit) -> None:
    for scripted in (True, False):
        page = await visit.page(java_script_enabled=scripted)
        await opened(visit, page, "devices")
        article = page.locator("article#list_devices")
        assert await article.locator("pre.curl").is_visible()
        await article.get_by_text("Python", exact=True).click()
        assert await article.locator("pre.py").is_visible()
        assert not await article.locator("pre.curl").is_visible()
        if scripted:
            await opened(visit, page, "customers")
            assert await page.locator("pre.py").first.is_visible()
        else:
            assert not await page.get_by_role("searchbox").is_visible()
            assert await page.get_by_role("link", name="Alarm rules").first.is_visible()


async def test_examples_are_copied_as_they_stand(visit: Visit) -> None:
    page = await visit.page(permissions=["clipboard-read", "clipboard-write"])
    await opened(visit, page, "devices")
    await page.locator("article#count_devices").get_by_role("button", name="Copy").click()
    await page.get_by_role("button", name="Copied").wait_for()
    copied: str = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"curl '{visit.site.url}/api/v1/devices_stat'")


async def test_the_browser_corrects_an_address_under_which_the_server_is_not_reached(visit: Visit) -> None:
    page = await visit.page()

    async def behind_a_proxy(route: Any) -> None:
        response = await route.fetch()
        body = (await response.text()).replace(visit.site.url, "http://inner.example")
        await route.fulfill(response=response, body=body)

    await page.route("**/docs/en/devices", behind_a_proxy)
    await opened(visit, page, "devices")
    shown = await page.locator("article#count_devices pre.curl").inner_text()
    assert f"curl '{visit.site.url}/api/v1/devices_stat'" in shown
