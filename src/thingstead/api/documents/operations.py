"""Operations of the OpenAPI document, one for each endpoint."""

import json
import re
from collections.abc import Mapping
from typing import Any

from thingstead.api.documents.examples import example
from thingstead.api.documents.schemas import FOLDER, REFERENCE, Schema, envelope
from thingstead.api.endpoint import Access, Endpoint
from thingstead.api.router import PARAMETER_LENGTH_LIMIT
from thingstead.errors import TooManyRequests
from thingstead.model.roles import VIEWER

# By method and path: ``id``, the operationId, which generators make names of functions from; ``python``, the call of
# thingstead_client that does the same, ``each``: it is an iterator; ``body`` and ``query``, examples in place of those
# made from the types.
KNOWN: Mapping[str, Mapping[str, Any]] = json.loads(FOLDER.joinpath("operations.json").read_text("utf-8"))
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
    "message_rule_id": "A message rule's id.",
    "forward_target_id": "A forwarding target's id.",
    "task_id": "A task's id.",
    "task_run_id": "The id of a run of the task.",
    "ota_version_id": "The id of a version of firmware.",
    "ota_rollout_id": "A rollout's id.",
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


class OperationObject:
    """Describes one endpoint.

    Args:
        schemas: schemas of the bodies, queries and answers, by the ``repr`` of their types.
        components: named schemas, to which those of answers are added.
    """

    def __init__(self, endpoint: Endpoint, schemas: Mapping[str, Schema], components: Schema) -> None:
        self._endpoint = endpoint
        self._schemas = schemas
        self._components = components

    def describe(self) -> Schema:
        """The operation object."""
        endpoint = self._endpoint
        operation: Schema = {
            "operationId": operation_id(endpoint),
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
        name = self._schemas[repr(self._endpoint.query)]["$ref"].rsplit("/", 1)[1]
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
            return {BYTES: {"schema": {"type": "string", "format": "binary"}}}
        return {"application/json": self._body()}

    def _body(self) -> Schema:
        schema = self._schemas[repr(self._endpoint.body)]
        known = KNOWN.get(f"{self._endpoint.method} {self._endpoint.path}", {})
        shown = known.get("body", self._endpoint.example)
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
        info = self._schemas[repr(self._endpoint.info)]
        shown = example(info, self._components)
        if self._endpoint.for_devices:
            refusal = {"$ref": f"{REFERENCE}Refusal"}
            return {"schema": {"oneOf": [info, refusal]}, "example": {"result": 1} | shown}
        success, failure = {"$ref": REFERENCE + self._envelope(info)}, {"$ref": f"{REFERENCE}Failure"}
        return {"schema": {"oneOf": [success, failure]}, "example": {"result": True, "info": shown}}

    def _envelope(self, info: Schema) -> str:
        """The name of the component for the whole answer."""
        if "$ref" in info:
            info_name = info["$ref"].removeprefix(REFERENCE)
        else:
            info_name = "".join(word.capitalize() for word in operation_id(self._endpoint).split("_"))
        name = f"{info_name}Answer"
        self._components.setdefault(name, envelope(info_name, info))
        return name


def operation_id(endpoint: Endpoint) -> str:
    """A name for functions that call the endpoint: ``list_devices``."""
    known = KNOWN.get(f"{endpoint.method} {endpoint.path}")
    if known is not None:
        return str(known["id"])
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
