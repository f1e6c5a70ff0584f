"""History as a CSV file, sent while it is read."""

import csv
from typing import Any

from tests.api.registry.house import Api, House
from thingstead.services.history.csv_export import CHUNK_POINTS, PIECE_BYTES


async def rows(api: Api, device_id: str, **query: Any) -> list[list[str]]:
    query = {"start_time": 0, "end_time": 10**13, **query}
    answer = await api.client.get(f"/api/v1/device/{device_id}/history.csv", params=query)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{device_id}.csv"'
    return list(csv.reader(answer.text.splitlines()))


async def test_every_point_is_a_row_newest_first(api: Api, house: House) -> None:
    device_id = await api.new_device()
    for number in range(3):
        await house.report(device_id, 1_000 + number, power=number, state="on, off")
    found = await rows(api, device_id, identifiers="power,state,none", end_time=1_001)
    assert found == [
        ["time", "ts", "identifier", "value"],
        ["1970-01-01T00:00:01.001Z", "1001", "power", "1"],
        ["1970-01-01T00:00:01.000Z", "1000", "power", "0"],
        ["1970-01-01T00:00:01.001Z", "1001", "state", "on, off"],
        ["1970-01-01T00:00:01.000Z", "1000", "state", "on, off"],
    ]


async def test_no_point_is_lost_or_repeated_between_the_pieces(api: Api, house: House) -> None:
    device_id = await api.new_device()
    count = 2 * CHUNK_POINTS + 7
    for number in range(count):
        await house.report(device_id, 1_000 + number // 3, power=number)  # three at an instant
    found = [int(row[3]) for row in (await rows(api, device_id, identifiers="power"))[1:]]
    assert sorted(found) == list(range(count))


async def test_no_text_is_run_by_a_spreadsheet(api: Api, house: House) -> None:
    device_id = await api.new_device()
    hostile = ["=1+1", "+1", "-1", "@x", "\tx"]
    for number, text in enumerate(hostile):
        await house.report(device_id, 1_000 + number, note=text, level=-1)
    found = await rows(api, device_id, identifiers="note,level")
    assert [row[3] for row in reversed(found[1:6])] == [f"'{text}" for text in hostile]
    assert {row[3] for row in found[6:]} == {"-1"}, "a number stays one"


async def test_what_is_wrong_is_told_before_the_file(api: Api, stranger: Api) -> None:
    device_id = await api.new_device()
    query = {"identifiers": "power", "start_time": 0, "end_time": 1}
    assert (await stranger.refusal("GET", f"device/{device_id}/history.csv", **query)).errcode == 404
    wrong = await api.refusal("GET", f"device/{device_id}/history.csv", **{**query, "identifiers": "a b"})
    assert wrong.fields == {"identifiers"}


async def test_a_piece_is_bounded_in_bytes_however_long_the_values_are(api: Api, house: House) -> None:
    device_id = await api.new_device()
    text = '"' * 30_000
    count = 50
    for number in range(count):
        await house.report(device_id, 1_000 + number // 3, note=f"{text}{number}")
    export = house.platform.csv_export
    _, pieces = await export.begin(api.project_id, device_id, ["note"], 0, 10**13)
    sizes = [len(piece) async for piece in pieces]
    assert max(sizes) < 2 * PIECE_BYTES + CHUNK_POINTS, "each quotation mark is doubled"
    found = [row[3] for row in (await rows(api, device_id, identifiers="note"))[1:]]
    assert sorted(found) == sorted(f"{text}{number}" for number in range(count))
