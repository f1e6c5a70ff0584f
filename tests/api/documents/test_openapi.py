"""The OpenAPI document: complete, valid, and true to the declarations."""

import importlib
import pkgutil
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

import thingstead.api.app_device
import thingstead.api.device
import thingstead.api.project
from thingstead.api.dialect import ERRCODES
from thingstead.api.documents.openapi import openapi_document
from thingstead.api.documents.operations import KNOWN
from thingstead.api.documents.schemas import MEMBERS
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.project.routes import ENDPOINTS as PROJECT_ENDPOINTS
from thingstead.api.routes import ENDPOINTS
from thingstead.errors import ThingsteadError
from thingstead.model.limits import CREDENTIAL_BODY_BYTES

ROOT = Path(__file__).resolve().parents[3]
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


def nodes(value: Any = DOCUMENT) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield value
    for child in children:
        yield from nodes(child)


def test_every_array_says_what_its_items_are_and_every_enumeration_its_type() -> None:
    for node in nodes(DOCUMENT["components"]["schemas"] | DOCUMENT["paths"]):
        if node.get("type") == "array":
            assert isinstance(node.get("items"), dict), node
        if isinstance(node.get("enum"), list):
            assert "type" in node, node


def test_every_member_of_every_schema_is_described_and_a_time_or_size_has_its_unit() -> None:
    unit = re.compile(r"\b(ms|bytes|seconds|metres|days|degrees)\b", re.IGNORECASE)
    measured = re.compile(r"(^ts|_ts|_ms|_bytes|_time|_s|_at|_until|_m)$")
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for member, declared in schema.get("properties", {}).items():
            place = f"{name}.{member}"
            assert declared.get("description"), f"{place} has no description: src/thingstead/api/documents/members.json"
            if measured.search(member) and {"type": "integer"} in (declared, *declared.get("anyOf", ())):
                assert unit.search(declared["description"]), place


def test_every_parameter_is_described() -> None:
    parameters = [parameter for node in nodes(DOCUMENT["paths"]) for parameter in node.get("parameters", ())]
    assert len(parameters) > 200
    assert [parameter for parameter in parameters if not parameter["description"]] == []


def test_every_schema_is_used() -> None:
    referred = {reference.rsplit("/", 1)[1] for reference in re.findall(r"'\$ref': '(#[^']+)'", str(DOCUMENT))}
    assert set(DOCUMENT["components"]["schemas"]) <= referred


def test_every_description_of_a_member_is_used_and_is_in_both_languages() -> None:
    described = {node["description"] for node in nodes() if isinstance(node.get("description"), str)}
    assert [name for name, texts in MEMBERS.items() if texts["en"] not in described] == []
    assert [name for name, texts in MEMBERS.items() if not (texts["en"] and re.search("[一-鿿]", texts["zh"]))] == []


def test_alternatives_are_named_and_differ() -> None:
    for node in nodes(DOCUMENT["components"]["schemas"]):
        for options in (node[kind] for kind in ("anyOf", "oneOf") if isinstance(node.get(kind), list)):
            assert len(options) > 1
            assert len({str(option) for option in options}) == len(options)
            assert not ({"type": "integer"} in options and {"type": "number"} in options), "an integer is a number"
    for endpoint in ENDPOINTS:
        options = operation(endpoint)["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"]
        assert all(set(option) == {"$ref"} for option in options), endpoint.path


def test_a_success_and_a_failure_are_told_apart_by_a_constant() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Failure"]["properties"]["result"]["const"] is False
    assert schemas["Refusal"]["properties"]["result"]["const"] == 0
    for name in ("Failure", "Refusal", "DeviceDetailAnswer"):
        assert "result" in schemas[name]["required"]
    envelopes = [schema for name, schema in schemas.items() if name.endswith("Answer")]
    assert len(envelopes) > 60
    assert all(schema["properties"]["result"]["const"] is True for schema in envelopes)


def test_the_names_of_operations_are_good_names_of_functions() -> None:
    missing = [f"{e.method} {e.path}" for e in ENDPOINTS if f"{e.method} {e.path}" not in KNOWN]
    assert missing == [], "give them names: src/thingstead/api/documents/operations.json"
    assert {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS} == set(KNOWN)
    for endpoint in ENDPOINTS:
        assert re.fullmatch(r"[a-z]+(_[a-z]+){1,5}", operation(endpoint)["operationId"])


def test_every_security_scheme_is_used_and_every_used_one_is_declared() -> None:
    used = {name for node in nodes(DOCUMENT["paths"]) for scheme in node.get("security") or () for name in scheme}
    assert used == set(DOCUMENT["components"]["securitySchemes"])


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


CREDENTIALS = re.compile(r"^token$|access_token|secret_key|access_key|project_key|view_secret|password")


def members(kind: Any, seen: set[Any]) -> set[str]:
    """The names of all members of a type, at any depth."""
    found: set[str] = set()
    if kind not in seen:
        seen.add(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for field in msgspec.structs.fields(kind):
                if "Shown as `***`" in repr(field.type):
                    continue
                found |= {field.encode_name} | members(field.type, seen)
        for argument in typing.get_args(kind):
            found |= members(argument, seen)
    return found


def test_every_answer_that_carries_a_credential_is_confidential_and_no_other() -> None:
    carrying = [e for e in ENDPOINTS if any(map(CREDENTIALS.search, members(e.info, set())))]
    assert len(carrying) > 8
    assert names(carrying) == names([endpoint for endpoint in ENDPOINTS if endpoint.confidential])
