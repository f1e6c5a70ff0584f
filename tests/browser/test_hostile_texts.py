"""Texts that would be code if a page took them for it: in names, values and descriptions, on every list and detail."""

from typing import Any

import httpx
import pytest

from tests.browser.test_routes import SETTINGS, TABS, TYPE_PARTS
from tests.browser.visit import Site, Visit
from tests.project_api import Certificate, ProjectApi

pytestmark = pytest.mark.external("chromium")

TEXTS = (
    "<script>ran=1</script>",
    '<img src=x onerror="ran=2">',
    '"><svg onload=ran=3>',
    "javascript:ran=4",
    "' onmouseover='ran=5' x='",
    "{{constructor.constructor('ran=6')()}}",
    "</title></textarea><iframe srcdoc='<script>parent.ran=7</script>'>",
    "<a href=javascript:ran=8 autofocus onfocus=ran=8>",
)
LISTS = (
    "/",
    "/devices",
    "/types",
    "/groups",
    "/customers",
    "/alarms",
    "/alarm-rules",
    "/notify",
    "/apps",
    "/people",
    "/audit",
)
# What any of the texts would leave in a page that took it for markup.
TRACES = "[onerror], [onload], [onmouseover], [onfocus], iframe, img[src=x], a[href^='javascript:']"


@pytest.fixture(scope="module")
def detail_paths(site: Site) -> list[str]:
    """One of everything for each text; the pages of one thing."""
    with ProjectApi(site.url, site.credentials) as api:
        keys = site.credentials
        admin = {"app_id": keys.app_id, "account": keys.admin_account, "password": keys.admin_password}
        api.log_in_with(api.call("POST", "/admin_login", json=admin)["access_token"])
        found = [path for number, text in enumerate(TEXTS) for path in _create(api, site, number, text)]
    of_a_device, of_a_type = (found[place].rpartition("/")[0] for place in (0, 1))
    return [*found, *(f"{of_a_device}/{tab}" for tab in TABS), *(f"{of_a_type}/{part}" for part in TYPE_PARTS)]


def _create(api: ProjectApi, site: Site, number: int, text: str) -> list[str]:
    """One of everything with this text; the pages of a device, a type and a customer."""
    attributes = [
        {"identifier": f"a{place}", "name": each[:60], "data_type": "text", "attr_type": "both"}
        for place, each in enumerate(TEXTS)
    ]
    type_id = api.call("POST", "/device_type", json={"name": text})["id"]
    api.call("PUT", f"/device_type/{type_id}/functions", json={"functions": {"attributes": attributes}})
    group_id = api.call("POST", "/device_group", json={"name": text})["id"]
    account = {"name": text, "account": f"customer{number}", "password": "a long password"}
    customer_id = api.call("POST", "/customer", json=account)["id"]
    api.call("POST", "/application", json={"name": text})
    api.call("POST", "/notify_group", json={"name": text})
    device = api.create_device(name=text, type=type_id, group=group_id, descr=text, tags={"note": text})
    trigger = {"attribute": "a0", "op": "==", "value": text}
    api.call("POST", "/alarm_rule", json={"name": text, "devices": [device.device_id], "raise": trigger})
    values = {f"a{place}": each for place, each in enumerate(TEXTS)} | {"a0": text}
    send(site.url, device, "attributes", values)
    send(site.url, device, "event/report", {"method": "told", "params": {text: [text]}})
    api.call(
        "POST",
        f"/control/device/{device.device_id}/command",
        json={"method": "tell", "params": {"a": text}, "wait_ms": 3_600_000},
    )
    return [f"/devices/{device.device_id}/summary", f"/types/{type_id}/attributes", f"/customers/{customer_id}"]


def send(url: str, device: Certificate, what: str, body: dict[str, Any]) -> None:
    headers = {"Project-Key": device.project_key}
    answer = httpx.post(f"{url}/device/v1/{device.access_token}/{what}", json=body, headers=headers, trust_env=False)
    assert answer.json()["result"] == 1, answer.text


@pytest.mark.timeout(300)
async def test_texts_that_could_be_code_stay_texts_on_every_list_and_detail(
    visit: Visit, detail_paths: list[str]
) -> None:
    page = await visit.page()
    page.on("dialog", lambda dialog: visit.faults.append(f"ran {dialog.message}"))
    await visit.log_in(page)
    shown = ""
    for path in [*LISTS, "/audit", *(f"/settings/{part}" for part in SETTINGS), *detail_paths]:
        await visit.open(page, path)
        assert await page.evaluate("selector => [typeof ran, document.querySelectorAll(selector).length]", TRACES) == [
            "undefined",
            0,
        ]
        shown += await page.inner_text("#main")
    assert [text for text in TEXTS if shown.count(text) < 3] == [], "it was never shown"
    assert visit.faults == []
