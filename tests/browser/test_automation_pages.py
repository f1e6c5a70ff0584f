"""The pages of message rules, tasks, forwarding targets and OTA versions: no edit is lost, and no mouse is needed."""

from typing import Any, NamedTuple

import pytest

from tests.browser.test_keyboard import press, type_into
from tests.browser.visit import View, Visit
from tests.project_api import ProjectApi


class Kind(NamedTuple):
    """One kind of things: its name in the API, where its pages are, and one of it."""

    api: str
    at: str
    body: dict[str, Any]


KINDS = [
    Kind(
        "message_rule", "/message-rules", {"on": "after_report", "actions": [{"push": {"attributes": {"fan": True}}}]}
    ),
    Kind("task", "/tasks", {"schedule": {"cron": "0 8 1 1 *"}, "action": {"push": {"attributes": {"fan": True}}}}),
    Kind("forward_target", "/forwarding", {"kinds": ["alarm"], "url": {"url": "http://127.0.0.1:9/in"}}),
    Kind("ota_version", "/ota", {"version_name": "2.0.0"}),
]
pytestmark = [
    pytest.mark.external("chromium"),
    pytest.mark.parametrize("kind", KINDS, ids=[kind.api for kind in KINDS]),
]


def make(api: ProjectApi, kind: Kind, silent: str, name: str) -> str:
    devices = {"devices": [silent]} if kind.api != "ota_version" else {}
    return str(api.call("POST", f"/{kind.api}", json={"name": name, **kind.body, **devices})["id"])


async def test_a_save_after_that_of_somebody_else_keeps_what_was_typed_and_shows_both(visit: Visit, kind: Kind) -> None:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        made = make(api, kind, visit.site.devices["silent"].device_id, "Before")
        page = await visit.page()
        await visit.log_in(page, f"{kind.at}/{made}")
        await visit.settled(page)
        name = page.get_by_label("Name", exact=True)
        await name.fill("Mine")
        api.call("PUT", f"/{kind.api}/{made}", json={"name": "Theirs"})
        await page.get_by_role("button", name="Save", exact=True).click()
        told = page.locator("form [role=alert]:has-text('saved changes at')")
        await told.wait_for()
        text = await told.inner_text()
        assert "Theirs" in text
        assert "Mine" in text
        assert await name.input_value() == "Mine"
        await told.get_by_role("button", name="Save mine").click()
        await page.wait_for_selector(".toast.done:has-text('Saved')")
        assert api.call("GET", f"/{kind.api}/{made}")["name"] == "Mine"
    assert visit.faults == []


async def test_the_list_and_the_editor_are_used_by_keyboard_alone(visit: Visit, kind: Kind) -> None:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        made = make(api, kind, visit.site.devices["silent"].device_id, "By keys")
        page = await visit.page(View())
        await visit.log_in(page, kind.at)
        await visit.settled(page)
        await press(page, page.get_by_role("switch", name="By keys"), "Space")
        await page.wait_for_selector(".toast.done:has-text('By keys')")
        await press(page, page.get_by_role("link", name="By keys", exact=True))
        await page.wait_for_selector("h1:has-text('By keys')")
        await visit.settled(page)
        await type_into(page, page.get_by_label("Description", exact=True), "Written without a mouse")
        await press(page, page.get_by_role("button", name="Save", exact=True))
        await page.wait_for_selector(".toast.done:has-text('Saved')")
        stored = api.call("GET", f"/{kind.api}/{made}")
        assert (stored["enabled"], stored["descr"]) == (False, "Written without a mouse")
    assert visit.faults == []
