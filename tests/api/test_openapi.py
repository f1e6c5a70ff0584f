"""The OpenAPI document: complete, valid, and true to the declarations."""

import importlib
import pkgutil
import re
import typing
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

import thingstead.api.app_device
import thingstead.api.device
import thingstead.api.project
from thingstead.api.dialect import ERRCODES
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.openapi import openapi_document
from thingstead.api.project.routes import ENDPOINTS as PROJECT_ENDPOINTS
from thingstead.api.routes import ENDPOINTS
from thingstead.errors import ThingsteadError
from thingstead.model.limits import CREDENTIAL_BODY_BYTES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = openapi_document(ENDPOINTS)
REFERENCE = """
POST /access_token, POST /admin_login, GET /project, GET /devices_stat, GET /devices_alarm_stat, GET /device_types,
GET /device_groups_tree, GET /devices, GET /device/{device_id}, GET /device/{device_id}/certificate,
PUT /device/{device_id}/info, PUT /device/{device_id}/tags, POST /device/{device_id}/tags_remove,
DELETE /device/{device_id}, POST /device, GET /device/{device_id}/attributes,
GET /device/{device_id}/attribute/{identifier}/series, POST /device/{device_id}/attributes_remove,
POST /control/device/{device_id}/attributes, PUT /control/device/{device_id}/attributes,
POST /control/device/{device_id}/command, GET /alarm_logs, GET /device/{device_id}/alarm_logs, GET /customers,
GET /customer/{customer_id}, POST /customer, PUT /customer/{customer_id}/info, PUT /customer/{customer_id}/pwd,
PUT /customer/{customer_id}/tags, DELETE /customer/{customer_id}, GET /admin
"""


def operation(endpoint: Endpoint) -> Any:
    return DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]


def names(endpoints: list[Endpoint]) -> set[str]:
    return {f"{endpoint.method} {endpoint.path}" for endpoint in endpoints}


def errcode_classes(root: type[ThingsteadError] = ThingsteadError) -> set[int]:
    return {root.errcode}.union(*(errcode_classes(child) for child in root.__subclasses__()))


def test_exactly_the_endpoints_of_the_reference_are_not_extensions() -> None:
    reference = {name.strip().replace(" /", " /api/v1/") for name in REFERENCE.split(",")}
    assert names([endpoint for endpoint in PROJECT_ENDPOINTS if not endpoint.extension]) == reference


def test_every_file_of_endpoints_is_served() -> None:
    packages = (thingstead.api.project, thingstead.api.device, thingstead.api.app_device)
    modules = [m for package in packages for m in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    declared = [getattr(importlib.import_module(module.name), "ENDPOINTS", ()) for module in modules]
    assert {id(endpoint) for endpoints in declared for endpoint in endpoints} == {id(e) for e in ENDPOINTS}


def test_extensions_are_marked() -> None:
    for endpoint in ENDPOINTS:
        assert operation(endpoint).get("x-thingstead-extension", False) is endpoint.extension


def test_only_logging_in_needs_no_token() -> None:
    public = names([endpoint for endpoint in ENDPOINTS if endpoint.access is Access.PUBLIC])
    log_ins = {"POST /api/v1/access_token", "POST /api/v1/admin_login", "POST /api/v1/console/session"}
    assert public == {*log_ins, "GET /api/v1/console"}
    for endpoint in PROJECT_ENDPOINTS:
        assert not endpoint.for_devices
    for endpoint in ENDPOINTS:
        assert bool(operation(endpoint)["security"]) is (endpoint.access is not Access.PUBLIC)


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for endpoint in ENDPOINTS:
        assert operation(endpoint)["summary"]
        assert operation(endpoint)["description"], endpoint.path


def test_every_path_parameter_is_declared() -> None:
    for endpoint in ENDPOINTS:
        declared = [p["name"] for p in operation(endpoint)["parameters"] if p["in"] == "path"]
        assert declared == re.findall(r"\{(\w+)\}", endpoint.path)


def test_no_reference_is_dangling() -> None:
    for reference in re.findall(r"'\$ref': '(#[^']+)'", str(DOCUMENT)):
        node: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_examples_fit_their_schemas(endpoint: Endpoint) -> None:
    shown = [operation(endpoint)["responses"]["200"]["content"]["application/json"]]
    if endpoint.body not in (None, bytes):
        shown.append(operation(endpoint)["requestBody"]["content"]["application/json"])
    for content in shown:
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.validate(schema, content["example"])


def test_the_table_of_errcodes_has_every_errcode() -> None:
    assert {code.errcode for code in ERRCODES} == errcode_classes()


def test_the_table_of_errcodes_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for code in ERRCODES:
        assert f"| {code.errcode} | {code.http_status} | {code.meaning} |" in text


def test_every_extension_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for endpoint in PROJECT_ENDPOINTS:
        if endpoint.extension:
            assert f"`{endpoint.method} {endpoint.path}`" in text


def test_every_endpoint_of_a_plane_is_on_its_page() -> None:
    pages = {"/device/v1/": "device-http.md", "/app/device/v1/": "app-plane.md"}
    for prefix, page in pages.items():
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        for endpoint in ENDPOINTS:
            if endpoint.path.startswith(prefix):
                assert f"`{endpoint.method} {endpoint.path}`" in text


def test_the_planes_of_devices_have_their_own_credential_and_envelope() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["projectKey"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Project-Key")
    for endpoint in ENDPOINTS:
        if endpoint.path.startswith(("/device/v1/", "/app/device/v1/")):
            assert operation(endpoint)["security"] == [{"projectKey": []}]
            shown = operation(endpoint)["responses"]["200"]["content"]["application/json"]
            assert shown["example"]["result"] == 1
            assert shown["schema"]["oneOf"][1] == {"$ref": "#/components/schemas/Refusal"}


def test_bodies_of_strangers_are_small() -> None:
    strangers = [e for e in ENDPOINTS if e.access in (Access.PUBLIC, Access.PROJECT_KEY)]
    assert strangers
    assert {e.body_limit(1 << 20) for e in strangers} == {CREDENTIAL_BODY_BYTES}
    assert {e.body_limit(1024) for e in strangers} == {1024}


CREDENTIALS = re.compile(r"access_token|secret_key|access_key|project_key|view_secret|password")


def members(kind: Any, seen: set[Any]) -> set[str]:
    """The names of all members of a type, at any depth."""
    found: set[str] = set()
    if kind not in seen:
        seen.add(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for field in msgspec.structs.fields(kind):
                found |= {field.encode_name} | members(field.type, seen)
        for argument in typing.get_args(kind):
            found |= members(argument, seen)
    return found


def test_every_answer_that_carries_a_credential_is_confidential_and_no_other() -> None:
    carrying = [e for e in ENDPOINTS if any(map(CREDENTIALS.search, members(e.info, set())))]
    assert len(carrying) > 8
    assert names(carrying) == names([endpoint for endpoint in ENDPOINTS if endpoint.confidential])
