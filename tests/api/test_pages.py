"""Health and metrics."""

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import httpx
import pytest

from thingstead.api.app import create_app
from thingstead.config import ApiSettings
from thingstead.metrics import Metrics
from thingstead.model.health import HealthWarning
from thingstead.refusals import Reason, reason
from thingstead.services.platform import Platform

Connect = Callable[..., httpx.AsyncClient]
NO_PLATFORM = cast(Platform, None)  # pages need no service
FULL = reason("disk_nearly_full", free=3, least=64)
HERE = {"Host": "localhost:8080"}


def app(
    settings: ApiSettings | None = None, trouble: Reason | None = None, warnings: Sequence[HealthWarning] = ()
) -> Any:
    return create_app(NO_PLATFORM, settings or ApiSettings(), lambda: trouble, Metrics(), warnings=lambda: warnings)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_server_that_works_is_healthy(connect: Connect, path: str) -> None:
    response = await connect(app()).get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_server_in_trouble_says_what_is_wrong(connect: Connect, path: str) -> None:
    response = await connect(app(trouble=FULL)).get(path)
    assert (response.status_code, response.json()) == (503, {"status": FULL.message, "code": "disk_nearly_full"})


async def test_the_active_node_of_a_database_is_ready_while_it_cannot_store(connect: Connect) -> None:
    node = create_app(NO_PLATFORM, ApiSettings(), lambda: FULL, Metrics(), ready=lambda: None)
    assert (await connect(node).get("/healthz")).status_code == 503
    assert (await connect(node).get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("trouble", "said", "status"),
    [(None, {"status": "ok"}, 200), (FULL, {"status": FULL.message, "code": "disk_nearly_full"}, 503)],
)
async def test_what_somebody_should_look_at_stands_beside_the_status(
    connect: Connect, trouble: Reason | None, said: dict[str, str], status: int
) -> None:
    warning = HealthWarning("rows_set_aside", "2 rows are damaged")
    response = await connect(app(trouble=trouble, warnings=[warning])).get("/healthz")
    warnings = [{"code": "rows_set_aside", "message": "2 rows are damaged"}]
    assert (response.status_code, response.json()) == (status, {**said, "warnings": warnings})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_open_to_this_machine(connect: Connect, address: str) -> None:
    response = await connect(app(), address).get("/metrics", headers=HERE)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert "process_resident_memory_bytes" in response.text


async def test_metrics_are_closed_to_pages_whose_name_leads_to_this_machine(connect: Connect) -> None:
    """A browser on this machine shows a page of a name that its owner made to lead here: DNS rebinding."""
    rebound = {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}
    assert (await connect(app(), "127.0.0.1").get("/metrics", headers=rebound)).status_code == 401
    client = connect(app(ApiSettings(metrics_token="let me in")), "127.0.0.1")
    bearer = {**rebound, "Authorization": "Bearer let me in"}
    assert (await client.get("/metrics", headers=bearer)).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "unix:"])
async def test_metrics_are_closed_to_others(connect: Connect, address: str) -> None:
    assert (await connect(app(), address).get("/metrics")).status_code == 401


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via"])
async def test_a_proxy_on_this_machine_does_not_open_metrics_to_others(connect: Connect, header: str) -> None:
    response = await connect(app()).get("/metrics", headers={header: "10.0.0.1"})
    assert response.status_code == 401


async def test_the_token_of_the_setting_opens_metrics(connect: Connect) -> None:
    client = connect(app(ApiSettings(metrics_token="let me in")), "10.0.0.1")
    assert (await client.get("/metrics", headers={"Authorization": "Bearer let me in"})).status_code == 200
    assert (await client.get("/metrics", headers={"Authorization": "Bearer let me"})).status_code == 401
    assert (await client.get("/metrics")).status_code == 401


@pytest.mark.parametrize("path", ["/metrics", "/%6Detrics", "/%6d%65%74%72%69%63%73"])
async def test_a_token_that_is_set_is_asked_of_this_machine_too_however_the_path_is_spelt(
    connect: Connect, path: str
) -> None:
    client = connect(app(ApiSettings(metrics_token="let me in")), "127.0.0.1")
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers={"Authorization": "Bearer let me in"})).status_code == 200


async def test_metrics_without_a_token_are_closed_to_all_where_a_proxy_is_trusted(connect: Connect) -> None:
    settings = ApiSettings(trusted_proxies=("10.0.0.1",))
    assert (await connect(app(settings), "127.0.0.1").get("/metrics")).status_code == 401


async def test_an_empty_setting_is_no_token(connect: Connect) -> None:
    for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
        assert (await connect(app(), "10.0.0.1").get("/metrics", headers=headers)).status_code == 401


async def test_requests_are_counted_by_method_template_and_status(connect: Connect) -> None:
    client = connect(app())
    for _ in range(2):
        await client.get("/api/v1/device/abc")
    await client.request("BREW", "/nowhere/secret")
    counted = re.findall(
        r"^thingstead_http_requests_total\{(.*)\} (.*)$",
        (await client.get("/metrics", headers=HERE)).text,
        re.MULTILINE,
    )
    assert counted == [
        ('method="GET",route="/api/v1/device/{device_id}",status="401"', "2.0"),
        ('method="other",route="unknown",status="404"', "1.0"),
    ]
