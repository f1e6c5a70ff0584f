"""Devices out of tables, and tables and QR codes out of the list of devices."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.visit import View, Visit, complaints
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")


@pytest.fixture
def api(visit: Visit) -> Iterator[ProjectApi]:
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        yield api


def found(api: ProjectApi, tag: str) -> dict[str, Any]:
    """Devices with a tag, by name."""
    items = api.call("GET", "/devices", params={"tag": tag, "page_records": 100})["items"]
    return {item["name"]: item for item in items}


async def choose(page: Any, button: str, item: str) -> None:
    await page.get_by_role("button", name=button).click()
    await page.get_by_role("menuitem", name=item).click()


async def saved(page: Any, button: str) -> list[list[str]]:
    """The cells of the file that a button saves."""
    async with page.expect_download() as download:
        await page.get_by_role("button", name=button).click()
    return cells(await (await download.value).path())


def cells(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("\ufeff"), "spreadsheets know UTF-8 by its mark"
    return list(csv.reader(io.StringIO(text[1:])))


async def test_a_table_is_imported_and_what_was_refused_is_mended_and_imported_again(
    visit: Visit, api: ProjectApi
) -> None:
    view = View("en")
    api.call("POST", "/device_type", json={"name": "Import meter"})
    page = await visit.page(view)
    await visit.log_in(page, "/devices")
    await choose(page, "Import and export", "Import…")
    table = (
        "Name,Serial number,Type,Tags,Note\r\n"
        'meter 1,imp-1,Import meter,batch=imp; site="north",x\r\n'
        '"meter, 2",imp-2,Import meter,batch=imp,x\r\n'
        "=1+1,imp-3,No such type,batch=imp,x\r\n"
        ",imp-4,,batch=imp,x\r\n"
        f"{'n' * 300},imp-5,,batch=imp,x\r\n"
    )
    await page.set_input_files("dialog input[type=file]", {"name": "m.csv", "mimeType": "", "buffer": table.encode()})
    await page.wait_for_selector("dialog >> text=There is no “No such type”")
    assert await page.get_by_label("What the column Serial number is").input_value() == "device_key"
    assert await page.get_by_label("What the column Note is").input_value() == ""
    assert await complaints(page, view) == []
    await page.get_by_role("button", name="Import 5 rows").click()
    await page.wait_for_selector("dialog >> text=2 created")
    await page.wait_for_selector("dialog >> text=3 refused")
    assert await complaints(page, view) == []
    refused = await saved(page, "Download the 3 refused rows")
    assert refused[0] == ["Name", "Serial number", "Type", "Tags", "Note", "Reason"]
    assert [row[0] for row in refused[1:]] == ["'=1+1", "", "n" * 300], "no cell is a formula"
    reasons = [row[-1] for row in refused[1:]]
    assert reasons[:2] == ["There is no “No such type”", "The name is missing"]
    assert reasons[2].startswith("Name: ")
    devices = found(api, "batch:imp")
    assert devices.keys() == {"meter 1", "meter, 2"}
    assert devices["meter 1"]["type_info"]["name"] == "Import meter"
    assert devices["meter 1"]["tags"] == {"batch": "imp", "site": '"north"'}
    refused[1][2] = "Import meter"
    mended = "\n".join("\t".join(row) for row in refused[:2])
    await page.get_by_role("button", name="Import another table").click()
    await page.get_by_label("Or paste cells").fill(mended + "\nmeter 1\timp-1\tImport meter\tbatch=imp\tx\n")
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("button", name="Import 2 rows").click()
    await page.wait_for_selector("dialog >> text=1 created")
    await page.wait_for_selector("dialog >> text=1 there already")
    assert "=1+1" in found(api, "batch:imp")
    assert visit.faults == []


async def test_a_table_in_gb18030_is_imported_with_reasons_in_chinese(visit: Visit, api: ProjectApi) -> None:
    view = View("zh", size=(390, 844))
    page = await visit.page(view)
    await visit.log_in(page, "/devices")
    await choose(page, "导入、导出", "导入…")
    table = "设备名称;序列号;标签\n水表 㐀;cn-1;批次=甲\n水表 乙;cn 1;批次=甲\n;cn-3;批次=甲\n"
    file = {"name": "表.csv", "mimeType": "", "buffer": table.encode("gb18030")}
    await page.set_input_files("dialog input[type=file]", file)
    await page.wait_for_selector("dialog >> text=GB18030")
    assert await complaints(page, view) == []
    await page.get_by_role("button", name="导入 3 行").click()
    await page.wait_for_selector("dialog >> text=已创建")
    await page.wait_for_selector("dialog >> text=缺少名称")
    assert "水表 㐀" in found(api, "批次:甲")
    assert await complaints(page, view) == []
    assert visit.faults == []


async def test_what_matches_is_exported_and_can_be_imported_again(visit: Visit, api: ProjectApi) -> None:
    rows = [{"name": f"valve {n}", "device_key": f"valve-{n}", "tags": {"batch": "valves"}} for n in range(250)]
    rows[7]["name"] = "@valve"
    api.call("POST", "/devices_import", json={"devices": rows})
    page = await visit.page(View("en"))
    await visit.log_in(page, "/devices?tag=batch:valves")
    await page.wait_for_selector("text=250 match")
    async with page.expect_download() as download:
        await choose(page, "Import and export", "Export 250 devices as CSV")
    path = await (await download.value).path()
    table = cells(path)
    assert [row[1] for row in table[1:]] == [f"valve-{n}" for n in range(250)]
    assert table[8][:2] == ["'@valve", "valve-7"]
    await choose(page, "Import and export", "Import…")
    await page.set_input_files("dialog input[type=file]", path)
    await page.get_by_role("button", name="Import 250 rows").click()
    await page.wait_for_selector("dialog >> text=250 there already")
    await page.wait_for_selector("dialog >> text=0 refused")
    assert visit.faults == []


async def test_qr_codes_of_the_selection_are_printed_on_sheets(visit: Visit, api: ProjectApi) -> None:
    view = View("en")
    rows = [{"name": f"label {n}", "tags": {"batch": "labels"}} for n in range(30)]
    api.call("POST", "/devices_import", json={"devices": rows})
    page = await visit.page(view)
    await visit.log_in(page, "/devices?tag=batch:labels")
    await choose(page, "Import and export", "QR codes of 30 devices")
    await page.wait_for_selector("text=30 codes on 2 sheets of A4.")
    assert await complaints(page, view) == []
    await page.emulate_media(media="print")
    assert await page.locator(".printed li").count() == 30
    assert await page.locator("#app").is_hidden()
    pdf = await page.pdf(prefer_css_page_size=True)
    assert pdf.count(b"/Type /Page\n") == 2
    assert visit.faults == []


async def test_the_code_of_a_device_is_on_its_connection_tab(visit: Visit, api: ProjectApi) -> None:
    device = api.call("POST", "/device", json={"name": "coded"})["id"]
    page = await visit.page(View("en"))
    await visit.log_in(page, f"/devices/{device}/connection")
    await page.get_by_role("img", name="QR code of coded").wait_for()
    code = api.call("GET", f"/device/{device}")["device_code"]
    assert await page.get_by_text(code, exact=True).count() == 1
    assert visit.faults == []
