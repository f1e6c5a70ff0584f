"""Requests made from the OpenAPI document, good and bad: every answer is one that the document announces."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server_process import ServerProcess, init
from thingstead.api.documents.openapi import openapi_document
from thingstead.api.endpoint import Endpoint
from thingstead.api.routes import ENDPOINTS
from thingstead.services.registry.projects import Credentials

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PARTS = 24  # of the endpoints, each a test: thousands of requests are made when it runs, not when it is collected
# Of these the second test asks for things that exist, in all the ways in which a request can be good or bad.
ABOUT_THINGS = [endpoint for endpoint in ENDPOINTS if "{" in endpoint.path and endpoint.method != "DELETE"]
OTHERS = [endpoint for endpoint in ENDPOINTS if endpoint not in ABOUT_THINGS]


def document(endpoints: list[Endpoint], request: pytest.FixtureRequest) -> Any:
    request.node._nodeid = request.node.nodeid  # schemathesis keeps it there; pytest 9 does not
    return schemathesis.openapi.from_dict(openapi_document(endpoints))


@pytest.fixture(params=range(PARTS))
def part(request: pytest.FixtureRequest) -> Any:
    """The document with some of the endpoints."""
    return document(OTHERS[request.param :: PARTS], request)


@pytest.fixture(params=range(PARTS))
def part_about_things(request: pytest.FixtureRequest) -> Any:
    return document(ABOUT_THINGS[request.param :: PARTS], request)


@pytest.fixture(params=range(PARTS))
def part_about_nothing(request: pytest.FixtureRequest) -> Any:
    """For some requests of each: most answers say only that there is no such thing."""
    made = document(ABOUT_THINGS[request.param :: PARTS], request)
    made.config.phases.coverage.enabled = False
    return made


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schemathesis") / "data"


@pytest.fixture(scope="module")
def credentials(data_dir: Path) -> Credentials:
    return init(data_dir)


@pytest.fixture(scope="module")
def server(data_dir: Path, credentials: Credentials) -> Iterator[ServerProcess]:
    """A server for the whole module; when that ends, it must have logged no bug."""
    server = ServerProcess(data_dir, THINGSTEAD_ACCOUNT_LOGIN_FAILURES_MAX="1000000").wait_until_serving()
    yield server
    server.stop()
    assert [record for record in server.records if record["level"] in ("error", "critical")] == []


@pytest.fixture(scope="module")
def headers(server: ServerProcess, credentials: Credentials) -> dict[str, str]:
    """Those of an administrator, who may do everything, and half of every device certificate."""
    login = {
        "app_id": credentials.app_id,
        "account": credentials.admin_account,
        "password": credentials.admin_password,
    }
    answer = httpx.post(f"{server.url}/api/v1/admin_login", json=login, trust_env=False).json()
    return {"Authorization": f"Bearer {answer['info']['access_token']}", "Project-Key": credentials.project_key}


@pytest.fixture(scope="module")
def known(server: ServerProcess, headers: dict[str, str]) -> dict[str, str]:
    """Ids of things that exist, by path parameter."""

    def create(path: str, **body: Any) -> str:
        answer = httpx.post(f"{server.url}/api/v1/{path}", json=body, headers=headers, trust_env=False).json()
        return str(answer["info"]["id"])

    device_id = create("device", name="pump")
    command_id = create(f"control/device/{device_id}/command", method="stop", wait_ms=3_600_000)
    path = f"{server.url}/api/v1/device/{device_id}/certificate"
    certificate = httpx.get(path, headers=headers, trust_env=False).json()
    rows = [{"name": "one of many"}] * 1_001  # more than one call changes
    httpx.post(f"{server.url}/api/v1/devices_import", json={"devices": rows}, headers=headers, trust_env=False)
    many = {"filter": {"keyword": "one of many"}, "total": 1_001, "tags": {"a": "b"}}
    job = httpx.post(f"{server.url}/api/v1/devices_tags", json=many, headers=headers, trust_env=False).json()
    version_id = create("ota_version", name="June", version_name="1.1")
    path = f"{server.url}/api/v1/ota_version/{version_id}/file"
    httpx.put(path, content=b"image", headers=headers, trust_env=False)
    task_id = create(
        "task", name="night", schedule={"cron": "0 22 * * *"}, devices=[device_id], action={"push": {"lamp": False}}
    )
    return {
        "job_id": str(job["info"]["job"]),
        "view_id": create("device_views", name="offline", query="online=0"),
        "device_id": device_id,
        "access_token": str(certificate["info"]["access_token"]),
        "id": command_id,
        "type_id": create("device_type", name="pumps"),
        "group_id": create("device_group", name="cellar"),
        "customer_id": create("customer", name="Alice", account="known.account", password="a long password"),
        "app_id": create("application", name="panel"),
        "admin_id": create("admin", account="known.account", password="a long password"),
        "identifier": "temperature",
        "rule_id": create("alarm_rule", name="hot", devices=[device_id], **{"raise": {"no_data_ms": 1}}),
        "ota_version_id": version_id,
        "ota_rollout_id": create(f"ota_version/{version_id}/rollout", devices=[device_id], start=False),
        "message_rule_id": create(
            "message_rule", name="seen", on="event", devices=[device_id], actions=[{"set": {"seen": True}}]
        ),
        "forward_target_id": create(
            "forward_target", name="ERP", kinds=["event"], url={"url": "http://127.0.0.1:9/nobody"}
        ),
        "task_id": task_id,
        "task_run_id": create(f"task/{task_id}/run"),
        "notify_group_id": create("notify_group", name="night"),
        "alarm_id": first_alarm(f"{server.url}/api/v1/alarm_logs", headers),
    }


def first_alarm(url: str, headers: dict[str, str]) -> str:
    """The id of the alarm that the rule raises as soon as it is in effect."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        items = httpx.get(url, headers=headers, trust_env=False).json()["info"]["items"]
        if items:
            return str(items[0]["id"])
    raise AssertionError("no alarm was raised")


FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@schemathesis.pytest.from_fixture("part").parametrize()
@FEW
def test_every_answer_is_announced(case: Any, server: ServerProcess, headers: dict[str, str]) -> None:
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS)


@schemathesis.pytest.from_fixture("part_about_nothing").parametrize()
@FEW
def test_every_answer_about_what_does_not_exist_is_announced(
    case: Any, server: ServerProcess, headers: dict[str, str]
) -> None:
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS)


@schemathesis.pytest.from_fixture("part_about_things").parametrize()
@FEW
def test_every_answer_about_what_exists_is_announced(
    case: Any, server: ServerProcess, headers: dict[str, str], known: dict[str, str]
) -> None:
    case.path_parameters = {name: known[name] for name in case.path_parameters}
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS)
