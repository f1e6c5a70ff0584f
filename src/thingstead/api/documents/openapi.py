"""The OpenAPI 3.1 document, from the same declarations that route and validate requests."""

from collections.abc import Sequence
from typing import Any

from thingstead import __version__
from thingstead.api.device.dialect import Refusal
from thingstead.api.dialect import ERRCODES, Failure
from thingstead.api.documents.operations import OperationObject
from thingstead.api.documents.schemas import MEMBERS, REFERENCE, Schema, mentioned, schemas_of
from thingstead.api.endpoint import Endpoint
from thingstead.model.health import HealthWarning
from thingstead.wire.common import Empty

DESCRIPTION = """\
The HTTP API of a Thingstead server. Requests and answers are JSON; instants are milliseconds since 1970-01-01 UTC.
There are three planes: the Project API (`/api/v1`) for back ends and pages, the device plane (`/device/v1`) for
devices that report by HTTP, and the application plane (`/app/device/v1`) for applications that reach one device.

**Project API: AccessToken.** Request one with `POST /api/v1/access_token` (an application, valid for one day) or
`POST /api/v1/admin_login` (an administrator, seven days), and send it as
`Authorization: Bearer <AccessToken>`. It is not the AccessToken of a device certificate.

**Project API: answers.** Success is HTTP 200 with `{"result": true, "info": …}`. Failure is also HTTP 200, with
`{"result": false, "errcode": …, "message": …, "code": …, "args": {…}, "errors": [{"field": …,
"message": …, "code": …, "args": {…}}]}`, where `errors` lists each invalid field, `code` is the reason, and `args`
are the values in its text. An unknown path answers 404 with `{"message": "Request invalid"}`, a body that is not JSON
404 with `{"result": false, "message": "Invalid JSON message", "errcode": 400, "code": …, "args": {…}}`.

**Planes of devices.** The credential is the device certificate: the header `Project-Key` and the AccessToken of the
device in the path. Success is HTTP 200 with `{"result": 1}` and perhaps more members. An error in the content of a
request is HTTP 200 with `{"result": 0, "errcode": …, "message": …, "code": …}`; a wrong certificate
answers 401, a body that is too large 413, throttling 429, and 503 means that nothing was stored.

**Project API: roles.** Administrators and applications have one of three roles. A `viewer` reads everything but
credentials, an `operator` also manages devices (creates and controls them, handles their alarms), an `admin` has
access to everything. Each endpoint states the role that it requires; a lesser one is answered with errcode 403.

**Extensions** are marked as such; they are not part of the original API.
"""


SECURITY_SCHEMES: Schema = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An AccessToken from `access_token` or `admin_login`.",
    },
    "administratorToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An AccessToken from `admin_login`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "thingstead_session",
        "description": "A session in a browser (`POST /api/v1/console/session`), for pages of this server: with the "
        "header `X-Thingstead: 1`, and with `Origin` or `Sec-Fetch-Site` where anything changes. The name of the "
        "cookie contains the id of the installation; browsers send it by themselves.",
    },
    "projectKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Project-Key",
        "description": "The ProjectKey: half of a device certificate; the AccessToken is in the path.",
    },
    "metricsToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The setting `http.metrics_token`, if it is set.",
    },
}


def openapi_document(endpoints: Sequence[Endpoint]) -> Schema:
    """Makes the OpenAPI document, as data for a JSON encoder."""
    declared = [(each.body, each.query, each.info) for each in endpoints]
    kinds: list[Any] = [kind for row in declared for kind in row if kind]
    schemas, components = schemas_of([*kinds, Failure, Refusal, Empty, HealthWarning])
    by_kind = dict(zip(map(repr, kinds), schemas, strict=False))
    components |= _shared_schemas()
    paths: Schema = {}
    for endpoint in endpoints:
        operation = OperationObject(endpoint, by_kind, components).describe()
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    paths.update(_server_paths())
    shared = _shared_responses()
    tags = dict.fromkeys(endpoint.tag for endpoint in endpoints)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Thingstead HTTP API",
            "version": __version__,
            "description": DESCRIPTION,
            "x-errcodes": [code._asdict() for code in ERRCODES],
        },
        "tags": [{"name": tag} for tag in [*tags, "Server"]],
        "paths": paths,
        "components": {
            "schemas": mentioned(components, [paths, shared]),  # without those of queries, which are parameters
            "responses": shared,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _shared_responses() -> Schema:
    failure, refusal = _reference("Failure"), _reference("Refusal")
    unknown = _reference("UnknownResource")
    return {
        "NotFound": _response("The resource does not exist, or (by default) the body is not JSON.", unknown),
        "InvalidJson": _response("The body is not JSON, if `http.malformed_json_status` is 400.", unknown),
        "NotAuthenticated": _response("The AccessToken is missing, wrong or expired.", failure),
        "BodyTooSlow": _response("The body did not arrive in time.", failure),
        "TooLarge": _response("The body is too large.", failure),
        "TooManyRequests": _response("Throttled; Retry-After says for how many seconds.", failure),
        "Unavailable": _response("The server cannot store data now. Nothing was changed.", failure),
        "DeviceNotAuthenticated": _response("The certificate is missing or wrong.", refusal),
        "DeviceBodyTooSlow": _response("The body did not arrive in time.", refusal),
        "DeviceTooLarge": _response("The body is too large.", refusal),
        "DeviceTooManyRequests": _response("Throttled; Retry-After says for how many seconds.", refusal),
        "DeviceUnavailable": _response("The server cannot store data now. Nothing was stored.", refusal),
    }


def _shared_schemas() -> Schema:
    """Schemas of answers that no endpoint declares."""
    return {
        "UnknownResource": _object(
            "Nothing has this path and method, or the body is not JSON.",
            {name: {"type": "string"} for name in ("message", "hint", "code")},
            required="message",
        ),
        "Health": _object(
            "Whether the server works.",
            {
                "status": {"type": "string"},
                "code": {"type": "string"},
                "warnings": {"type": "array", "items": _reference("HealthWarning")},
            },
            required="status",
        ),
    }


def _server_paths() -> Schema:
    text: Schema = {"type": "string"}
    answers = {
        "200": _response("Every port is open, and data can be stored.", _reference("Health")),
        "503": _response("Why data cannot be stored; `code` is stable.", _reference("Health")),
    }
    exposition = {"description": "Text exposition.", "content": {"text/plain": {"schema": text}}}
    page = {"description": "A page.", "content": {"text/html": {"schema": text}}}
    metrics = _page(
        "read_metrics",
        "Metrics for Prometheus",
        {"200": exposition, "401": {"$ref": "#/components/responses/NotAuthenticated"}},
    )
    metrics["security"] = [{"metricsToken": []}, {}]
    document = {"200": _response("OpenAPI 3.1.", {"type": "object"})}
    return {
        "/healthz": {"get": _page("check_health", "Whether the server is healthy", answers)},
        "/readyz": {"get": _page("check_readiness", "Whether the server can be sent requests", answers)},
        "/metrics": {"get": metrics},
        "/openapi.json": {"get": _page("read_openapi", "This document", document)},
        "/docs": {"get": _page("read_documentation", "This document as pages", {"200": page})},
    }


def _object(description: str, members: Schema, *, required: str) -> Schema:
    described = {name: member | {"description": MEMBERS[name]["en"]} for name, member in members.items()}
    return {"description": description, "type": "object", "properties": described, "required": [required]}


def _page(name: str, summary: str, responses: Schema) -> Schema:
    return {"operationId": name, "tags": ["Server"], "summary": summary, "security": [], "responses": responses}


def _reference(name: str) -> Schema:
    return {"$ref": REFERENCE + name}


def _response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
