"""A page is bounded in bytes: by cursor it ends early, by number it is refused, and nothing is skipped."""

import pytest

from tests.api.registry.house import Api
from thingstead.model import limits

COUNT = 50
LARGE = "x" * 10_000


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that some ten records fill a page."""
    monkeypatch.setattr(limits, "PAGE_BYTES", 100_000)


async def commanded(api: Api, count: int = COUNT) -> str:
    """A device with so many large commands that wait."""
    device_id = await api.new_device()
    for number in range(count):
        body = {"method": "m", "id": number, "params": {"text": LARGE}, "wait_ms": 60_000}
        await api.call("POST", f"control/device/{device_id}/command", body)
    return device_id


async def test_a_page_by_cursor_ends_early_and_the_cursor_goes_on(api: Api) -> None:
    device_id = await commanded(api)
    numbers, sizes, cursor = [], [], "start"
    while cursor:
        page = await api.get(f"device/{device_id}/command_logs", cursor=cursor, page_records="100")
        numbers += [item["command_id"] for item in page["items"]]
        sizes.append(len(page["items"]))
        assert page["total"] == COUNT
        cursor = page["next_cursor"]
    assert sorted(numbers) == list(range(COUNT))
    assert max(sizes) == 9


async def test_a_page_by_number_that_is_too_large_is_refused_and_says_how_many_fit(api: Api) -> None:
    device_id = await commanded(api)
    path = f"device/{device_id}/command_logs"
    refusal = await api.refusal("GET", path, page_records="100")
    assert (refusal.errcode, refusal.fields) == (400, {"page_records"})
    assert "the first 9 records" in refusal.message
    numbers = []
    for page in range(1, 7):
        numbers += [item["command_id"] for item in (await api.get(path, page=str(page), page_records="9"))["items"]]
    assert sorted(numbers) == list(range(COUNT))


async def test_one_record_alone_is_always_shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    device_id = await commanded(api, 2)
    monkeypatch.setattr(limits, "PAGE_BYTES", 100)
    path = f"device/{device_id}/command_logs"
    assert len((await api.get(path, page_records="1"))["items"]) == 1
    page = await api.get(path, cursor="start")
    assert len(page["items"]) == 1
    page = await api.get(path, cursor=page["next_cursor"])
    assert len(page["items"]) == 1


async def test_devices_with_large_tags_come_in_pages_of_that_size(api: Api) -> None:
    tags = {f"tag{number}": "é" * 500 for number in range(60)}
    ids = {await api.new_device(name=f"device {number}", tags=tags) for number in range(8)}
    assert (await api.refusal("GET", "devices")).fields == {"page_records"}
    found, cursor = [], "start"
    while cursor:
        page = await api.get("devices", cursor=cursor)
        assert len(page["items"]) <= 3
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (len(found), set(found)) == (8, ids)


async def test_a_page_of_history_that_is_too_large_is_refused_by_name(api: Api) -> None:
    device_id = await api.new_device()
    for _ in range(12):
        await api.call("PUT", f"control/device/{device_id}/attributes", {"note": LARGE})
    path = f"device/{device_id}/attribute/note/series"
    refusal = await api.refusal("GET", path)
    assert (refusal.errcode, refusal.fields) == (400, {"page_records"})
    assert len(await api.get(path, page_records="5")) == 5
