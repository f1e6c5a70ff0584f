"""Customers in a browser: found, created, their devices bound and unbound, and removed by name."""

from typing import Any

import pytest

from tests.browser.visit import PHONE, View, Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")
PASSWORD = "a long password"


@pytest.fixture
def api(visit: Visit) -> Any:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


def customer_of(api: ProjectApi, device_id: str) -> str:
    """The account of the customer to whom a device is bound; empty: of nobody."""
    return str(api.device(device_id).get("customer", {}).get("account", ""))


async def test_a_customer_is_created_and_gets_devices_by_a_search(visit: Visit, api: ProjectApi) -> None:
    device = api.create_device(name="Kettle", device_key="kettle-1").device_id
    other = api.call("POST", "/customer", json={"name": "Bob", "account": "bob", "password": PASSWORD})["id"]
    api.call("POST", f"/customer/{other}/devices", json={"devices": [device]})
    page = await visit.page()
    await visit.log_in(page, "/customers")
    await page.click("button:has-text('New customer')")
    await page.fill("dialog input >> nth=0", "Alice")
    await page.fill("dialog input >> nth=1", "alice")
    await page.click("[aria-label='Generate']")
    password = await page.input_value("dialog input >> nth=2")
    await page.click("dialog button:text-is('Create')")
    await page.wait_for_selector("h1:text-is('Alice')")
    assert len(password) == 16
    await page.click("button:has-text('Bind devices')")
    await page.fill("dialog [role=combobox]", "kettle-1")
    await page.wait_for_selector("dialog [role=option][data-highlighted]:has-text('Kettle')")
    await page.keyboard.press("Enter")
    await page.click("dialog button:text-is('Bind')")
    await page.wait_for_selector("text=1 device was bound to “Alice”")
    assert customer_of(api, device) == "alice"
    await page.wait_for_selector("a:text-is('Kettle')")
    await page.click("button:text-is('Undo')")  # back to whom it was
    await page.wait_for_selector("text=No device is bound to this customer")
    assert customer_of(api, device) == "bob"

    await visit.open(page, f"/customers/{other}")
    await page.click("[aria-label='Unbind Kettle']")
    await page.wait_for_selector("text=“Kettle” was unbound from “Bob”")
    assert customer_of(api, device) == ""
    await page.wait_for_selector("a:text-is('Kettle')", state="detached")
    await page.click("button:text-is('Undo')")
    await page.wait_for_selector("a:text-is('Kettle')")
    assert customer_of(api, device) == "bob"
    assert visit.faults == []


async def test_a_customer_is_found_by_any_text_and_removed_by_name(visit: Visit, api: ProjectApi) -> None:
    for number in range(3):
        body = {"name": f"Shop {number}", "account": f"shop{number}", "password": PASSWORD, "mobile": f"+86 13{number}"}
        api.call("POST", "/customer", json=body)
    page = await visit.page(View(size=PHONE))
    await visit.log_in(page, "/customers")
    await page.fill("input[type=search]", "+86 132")
    await page.wait_for_url("**/customers?find=*")
    await page.wait_for_selector("text=1 customer")
    await page.click("a:has-text('Shop 2')")
    await page.fill("form:has-text('Description') input[type=tel]", "+86 200")
    await page.click("button:text-is('Save')")
    await page.wait_for_selector(".toast.done:has-text('Saved')")
    await page.click("button:text-is('Remove this customer')")
    assert await page.locator("dialog button:text-is('Remove')").is_disabled()
    await page.fill("dialog input", "Shop 2")
    await page.click("dialog button:text-is('Remove')")
    await page.wait_for_selector("h1:text-is('Customers')")
    accounts = {item["account"] for item in api.call("GET", "/customers", params={"page_records": 100})["items"]}
    assert {"shop0", "shop1"} <= accounts
    assert "shop2" not in accounts
    assert visit.faults == []
