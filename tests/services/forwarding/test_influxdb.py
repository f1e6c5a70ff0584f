"""Forwarding to InfluxDB: a real one of version 1, and what answers mean."""

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.services.forwarding.influxd import Influxd, influxd
from tests.services.forwarding.line_reader import read_line
from tests.services.forwarding.plant import open_plant
from tests.services.forwarding.sessions import NOW, message, session
from tests.services.receivers import HttpReceiver, reply
from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.target_form import ForwardTargetForm
from thingstead.services.forwarding.target import PermanentFailure, TransientFailure

FIRST: dict[str, Any] = {"database": "things", "user_name": "u", "password": "p"}
SECOND: dict[str, Any] = {"org": "o", "bucket": "b/1", "token": "t0ken"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    with influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.mark.parametrize("members", [FIRST, SECOND])
async def test_a_batch_is_one_compressed_request_with_the_log_in(members: dict[str, Any]) -> None:
    async with HttpReceiver() as receiver:
        async with session("influxdb", InfluxdbConfig(url=receiver.url + "/", **members)) as opened:
            assert await opened.send([message(1), message(2)]) is None
        [request] = receiver.received
    lines = gzip.decompress(request.body).decode().split("\n")
    assert [read_line(line).fields for line in lines] == [{"n": 1.0}, {"n": 2.0}]
    first = members is FIRST
    assert request.path == (
        "/write?db=things&precision=ns" if first else "/api/v2/write?org=o&bucket=b%2F1&precision=ns"
    )
    assert request.headers["authorization"] == ("Basic dTpw" if first else "Token t0ken")
    assert request.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("answer", "kind", "paused"),
    [
        (reply(400, b'{"error":"partial write: field type conflict"}'), PermanentFailure, False),
        (reply(413), PermanentFailure, False),
        (reply(401, b'{"error":"unauthorized"}'), TransientFailure, True),
        (reply(404, b'{"error":"database not found"}'), TransientFailure, True),
        (reply(302, Location="http://127.0.0.1/"), TransientFailure, True),
        (reply(429, Retry_After="7"), TransientFailure, False),
        (reply(503), TransientFailure, False),
        (b"HTTP/1.1 20", TransientFailure, False),
    ],
)
async def test_an_answer_that_is_no_success_is_a_failure_of_its_kind(
    answer: bytes, kind: type[Exception], paused: bool
) -> None:
    async with HttpReceiver() as receiver:
        receiver.answers = [answer]
        async with session("influxdb", InfluxdbConfig(url=receiver.url, **FIRST)) as opened:
            with pytest.raises(kind) as failed:
                await opened.send([message(1)])
    if isinstance(failed.value, TransientFailure):
        assert failed.value.pause is paused
        assert failed.value.retry_after_s == (7 if b"429" in answer else None)


async def test_tenants_do_not_see_what_a_private_address_answers() -> None:
    async with HttpReceiver() as receiver:
        receiver.answers = [reply(400, b"inner secret")]
        async with session("influxdb", InfluxdbConfig(url=receiver.url, **FIRST), shows=False) as opened:
            with pytest.raises(PermanentFailure) as failed:
                await opened.send([message(1)])
    assert failed.value.refusal.answer == ""


@pytest.mark.external("influxd")
async def test_points_are_stored_once_however_often_they_are_sent(server: Influxd) -> None:
    await asyncio.to_thread(server.query, "CREATE DATABASE once")
    hostile = message(3, {"text": 'a,b= "c\\" \\ \n two lines 水', "n": 3})
    async with session("influxdb", InfluxdbConfig(url=server.url, database="once")) as opened:
        for _ in range(3):
            await opened.send([message(1), message(2, {"n": 0.5, "on": True}), hostile])
    [series] = await asyncio.to_thread(server.query, 'SELECT * FROM "attributes"', "once")
    rows = [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
    assert [row["n"] for row in rows] == [1, 0.5, 3]
    assert rows[0]["time"] == (NOW + 1) * 1_000_000
    assert rows[1]["on"] is True
    assert rows[2]["text"] == hostile.content["text"]
    assert (rows[0]["device_id"], rows[0]["device_key"], rows[0]["type_id"]) == ("d1", "key=1", "t 1")


@pytest.mark.external("influxd")
async def test_a_point_of_another_type_becomes_a_dead_letter_and_the_rest_arrives(
    server: Influxd, tmp_path: Path
) -> None:
    await asyncio.to_thread(server.query, "CREATE DATABASE halves")
    async with open_plant(tmp_path) as plant:
        body = {"name": "T", "kinds": ["attributes"], "influxdb": {"url": server.url, "database": "halves"}}
        target, _ = await plant.forwarding.create("ours", msgspec.convert(body, ForwardTargetForm))
        link = await plant.link()
        for number in range(20):
            value = b'"text"' if number == 13 else str(number).encode()
            outcome = plant.platform.ingest.report_attributes(link, b'{"n":%s,"at":%d}' % (value, number))
        assert outcome.commit is not None
        async with asyncio.timeout(60):
            while (statistics := await plant.forwarding.statistics("ours", target.id)).sent < 19:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            while (statistics := await plant.forwarding.statistics("ours", target.id)).refused < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (statistics.sent, statistics.refused) == (19, 1)
    [series] = await asyncio.to_thread(server.query, 'SELECT count("n") FROM "attributes"', "halves")
    assert series["values"][0][1] <= 19  # reports of the same millisecond are one point


@pytest.mark.external("influxd")
async def test_a_missing_database_pauses_the_target(server: Influxd) -> None:
    async with session("influxdb", InfluxdbConfig(url=server.url, database="missing")) as opened:
        with pytest.raises(TransientFailure, match="does not exist") as failed:
            await opened.send([message(1)])
    assert failed.value.pause
