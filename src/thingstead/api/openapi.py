"""The OpenAPI 3.1 document, from the same declarations that route and validate requests."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead import __version__
from thingstead.api.device.dialect import Refusal
from thingstead.api.dialect import ERRCODES, Failure
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.examples import example
from thingstead.api.router import PARAMETER_LENGTH_LIMIT
from thingstead.errors import TooManyRequests
from thingstead.model.roles import VIEWER
from thingstead.wire.common import Empty

Schema = dict[str, Any]

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

PATH_PARAMETERS = {
    "id": "The platform's id of a command, from the answer to its sender.",
    "device_id": "A device's id.",
    "identifier": "The identifier of an attribute, or of a stream.",
    "customer_id": "A customer's id.",
    "app_id": "An application's AppID.",
    "admin_id": "An administrator's id.",
    "type_id": "A device type's id.",
    "job_id": "The id of a job over many devices.",
    "view_id": "The id of a saved view.",
    "group_id": "A device group's id.",
    "notify_group_id": "A notification group's id.",
    "rule_id": "An alarm rule's id.",
    "session_id": "The id of a session in a browser.",
    "alarm_id": "An alarm's id, or that of one of its messages.",
    "access_token": "The AccessToken of the device's certificate.",
}
SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.CALLER: [{"accessToken": []}, {"session": []}],
    Access.ADMINISTRATOR: [{"administratorToken": []}, {"session": []}],
    Access.SESSION: [{"session": []}],
    Access.DEVICE: [{"projectKey": []}],
    Access.PROJECT_KEY: [{"projectKey": []}],
}
BYTES = "application/octet-stream"
PARAMETER_NAME = re.compile(r"\{(\w+)\}")


def openapi_document(endpoints: Sequence[Endpoint]) -> Schema:
    """Makes the OpenAPI document, as data for a JSON encoder."""
    kinds = [kind for endpoint in endpoints for kind in (endpoint.body, endpoint.query, endpoint.info) if kind]
    schemas, components = _schemas([*kinds, Failure, Refusal, Empty])
    by_kind = dict(zip(map(repr, kinds), schemas, strict=False))
    paths: Schema = {}
    for endpoint in endpoints:
        operation = _Operation(endpoint, by_kind, components).describe()
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    paths.update(_server_paths())
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
            "schemas": components,
            "responses": _shared_responses(),
            "securitySchemes": {
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
                    "name": "thingstead_<id of the installation>",
                    "description": "A session in a browser (`POST /api/v1/console/session`), for pages of this server: "
                    "with the header `X-Thingstead: 1`, and with `Origin` or `Sec-Fetch-Site` where anything changes.",
                },
                "projectKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Project-Key",
                    "description": "The ProjectKey: half of a device certificate; the AccessToken is in the path.",
                },
            },
        },
    }


def _schemas(kinds: list[Any]) -> tuple[list[Schema], Schema]:
    """Schemas of these types, and the components; pages of lists get readable names."""
    made = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    text = re.sub(rb"\bListed_(\w+)_(?=\")", rb"\1Page", msgspec.json.encode(made))
    schemas, components = msgspec.json.decode(text)
    return schemas, components


WARNINGS: Schema = {
    "warnings": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            "required": ["field", "message"],
        },
        "description": "Unknown names in the request, which were ignored.",
    }
}


class _Operation:
    """Describes one endpoint."""

    def __init__(self, endpoint: Endpoint, by_kind: dict[str, Schema], components: Schema) -> None:
        self._endpoint = endpoint
        self._by_kind = by_kind
        self._components = components

    def describe(self) -> Schema:
        endpoint = self._endpoint
        operation: Schema = {
            "operationId": _operation_id(endpoint),
            "tags": [endpoint.tag],
            "summary": endpoint.summary,
            "description": _description(endpoint),
            "security": SECURITY[endpoint.access],
            "parameters": [*self._path_parameters(), *self._query_parameters()],
        }
        if endpoint.extension:
            operation["x-thingstead-extension"] = True
        if endpoint.role is not None:
            operation["x-thingstead-role"] = endpoint.role
        if endpoint.body is not None:
            operation["requestBody"] = {"required": not endpoint.body_optional, "content": self._content()}
        operation["responses"] = self._responses()
        return operation

    def _path_parameters(self) -> list[Schema]:
        schema = {"type": "string", "minLength": 1, "maxLength": PARAMETER_LENGTH_LIMIT}
        return [
            {"name": name, "in": "path", "required": True, "description": PATH_PARAMETERS[name], "schema": schema}
            for name in PARAMETER_NAME.findall(self._endpoint.path)
        ]

    def _query_parameters(self) -> list[Schema]:
        if self._endpoint.query is None:
            return []
        name = self._by_kind[repr(self._endpoint.query)]["$ref"].rsplit("/", 1)[1]
        struct = self._components[name]
        parameters = []
        for name, member in struct["properties"].items():
            schema = _without_null(member)
            description = schema.pop("description", "")
            required = name in struct.get("required", ())
            parameters.append(
                {"name": name, "in": "query", "required": required, "description": description, "schema": schema}
            )
        return parameters

    def _content(self) -> Schema:
        if self._endpoint.body is bytes:
            return {BYTES: {"schema": {}}}
        return {"application/json": self._body()}

    def _body(self) -> Schema:
        schema = self._by_kind[repr(self._endpoint.body)]
        shown = self._endpoint.example
        return {"schema": schema, "example": example(schema, self._components) if shown is None else shown}

    def _responses(self) -> Schema:
        endpoint = self._endpoint
        names = {"404": "NotFound", "503": "Unavailable"}
        if endpoint.access is not Access.PUBLIC:
            names["401"] = "NotAuthenticated"
        if endpoint.body is not None:
            names |= {"408": "BodyTooSlow", "413": "TooLarge"}
            if not endpoint.for_devices:
                names["400"] = "InvalidJson"
        if TooManyRequests in endpoint.refusals:
            names["429"] = "TooManyRequests"
        prefix = "Device" if endpoint.for_devices else ""
        responses: Schema = {
            status: {"$ref": f"#/components/responses/{'' if name == 'NotFound' else prefix}{name}"}
            for status, name in names.items()
        }
        responses["200"] = {
            "description": _outcome(endpoint),
            "content": {"application/json": self._answer()} | self._file(),
        }
        return dict(sorted(responses.items()))

    def _file(self) -> Schema:
        """The file of an endpoint that has one."""
        kind = self._endpoint.file.partition(";")[0]
        return {kind: {"schema": {"type": "string"}}} if kind else {}

    def _answer(self) -> Schema:
        """Content of HTTP 200, the success first."""
        info = self._by_kind[repr(self._endpoint.info)]
        shown = example(info, self._components)
        if self._endpoint.for_devices:
            refusal = {"$ref": "#/components/schemas/Refusal"}
            return {"schema": {"oneOf": [info, refusal]}, "example": {"result": 1} | shown}
        warnings = {} if self._endpoint.extension else WARNINGS
        envelope = {
            "type": "object",
            "properties": {"result": {"const": True}, "info": info} | warnings,
            "required": ["result", "info"],
        }
        failure = {"$ref": "#/components/schemas/Failure"}
        return {"schema": {"oneOf": [envelope, failure]}, "example": {"result": True, "info": shown}}


def _operation_id(endpoint: Endpoint) -> str:
    segments = endpoint.path.removeprefix("/api/v1/").replace("{", "").replace("}", "")
    return f"{endpoint.method.lower()}_{segments.strip('/').replace('/', '_')}"


def _description(endpoint: Endpoint) -> str:
    lines = [line.strip() for line in (endpoint.handler.__doc__ or "").strip().splitlines()]
    if endpoint.access is Access.ADMINISTRATOR:
        lines += ["", "For administrators (`admin_login`) only."]
    if endpoint.role is not None:
        lines += ["", f"Role: `{endpoint.role}`."]
    return "\n".join(lines).strip()


def _outcome(endpoint: Endpoint) -> str:
    """Description of HTTP 200: the success, or one of these errcodes."""
    codes = {refusal.errcode for refusal in endpoint.refusals if refusal is not TooManyRequests}
    if endpoint.body is not None or endpoint.query is not None:
        codes.add(400)
    if endpoint.role is not None and (endpoint.role != VIEWER or endpoint.access is not Access.CALLER):
        codes.add(403)
    refusals = f"; or a refusal, errcode {', '.join(map(str, sorted(codes)))}" if codes else ""
    return f"Success{refusals}."


def _without_null(schema: Schema) -> Schema:
    """Removes null from the schema of a query parameter, which can only be absent."""
    schema = dict(schema)
    options = [option for option in schema.pop("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        schema = {**options[0], **schema}
    elif options:
        schema["anyOf"] = options
    if schema.get("default", ...) is None:
        del schema["default"]
    return schema


def _shared_responses() -> Schema:
    failure: Schema = {"$ref": "#/components/schemas/Failure"}
    refusal: Schema = {"$ref": "#/components/schemas/Refusal"}
    message = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    return {
        "NotFound": _response("The resource does not exist, or (by default) the body is not JSON.", message),
        "InvalidJson": _response("The body is not JSON, if `http.malformed_json_status` is 400.", message),
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


def _server_paths() -> Schema:
    text: Schema = {"type": "string"}
    warning = {"type": "object", "properties": {"code": text, "message": text}, "required": ["code", "message"]}
    members = {"status": text, "code": text, "warnings": {"type": "array", "items": warning}}
    status: Schema = {"type": "object", "properties": members, "required": ["status"]}
    answers = {
        "200": _response("Every port is open, and data can be stored.", status),
        "503": _response("Why data cannot be stored; `code` is stable.", status),
    }
    return {
        "/healthz": {"get": _page("Whether the server is healthy", answers)},
        "/readyz": {"get": _page("Whether the server can be sent requests", answers)},
        "/metrics": {
            "get": _page(
                "Metrics for Prometheus",
                {
                    "200": {"description": "Text exposition.", "content": {"text/plain": {"schema": text}}},
                    "401": {"$ref": "#/components/responses/NotAuthenticated"},
                },
            )
        },
        "/openapi.json": {
            "get": _page("This document", {"200": _response("OpenAPI 3.1.", {"type": "object"})}),
        },
        "/docs": {
            "get": _page(
                "This document as a page",
                {"200": {"description": "A page.", "content": {"text/html": {"schema": text}}}},
            )
        },
    }


def _page(summary: str, responses: Schema) -> Schema:
    name = summary.lower().replace(",", "").replace(" ", "_")
    return {"operationId": name, "tags": ["Server"], "summary": summary, "security": [], "responses": responses}


def _response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
