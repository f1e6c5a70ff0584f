"""Writes api.d.ts: the types of every operation of the Project API, from its OpenAPI document.

Usage: python api_types.py FILE
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thingstead.api.documents.openapi import openapi_document
from thingstead.api.project.routes import ENDPOINTS

Schema = Mapping[str, Any]
PREFIX = "/api/v1"
SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def document() -> str:
    """The text of the file."""
    described = openapi_document(ENDPOINTS)
    schemas = described["components"]["schemas"]
    operations = [
        _operation(f"{method.upper()} {path.removeprefix(PREFIX)}", operation, schemas)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if path.startswith(PREFIX) and isinstance(operation, dict) and "operationId" in operation
    ]
    named = [f"{_comment(schema, '')}export type {name} = {_type(schema, '')};\n" for name, schema in schemas.items()]
    head = "// Types of the Project API, made from its OpenAPI document by api_types.py.\n"
    return head + "\n" + "\n".join(named) + "\nexport interface Operations {\n" + "\n".join(operations) + "\n}\n"


def _operation(name: str, operation: Schema, schemas: Schema) -> str:
    by_place: dict[str, list[Schema]] = {"path": [], "query": []}
    for parameter in operation.get("parameters", ()):
        by_place.setdefault(parameter["in"], []).append(parameter)
    body = operation.get("requestBody")
    lines = [f"  /** {operation['summary']} */", f"  {_quoted(name)}: {{"]
    lines.append(f"    path{_parameters(by_place['path'])};")
    lines.append(f"    query{_parameters(by_place['query'])};")
    if body is None:
        lines.append("    body?: undefined;")
    else:
        content = next(iter(body["content"].values()))["schema"]
        lines.append(f"    body{'' if body.get('required') else '?'}: {_type(content, '    ')};")
    lines.append(f"    info: {_info(operation, schemas)};")
    return "\n".join([*lines, "  };"])


def _parameters(parameters: list[Schema]) -> str:
    if not parameters:
        return "?: Record<string, never>"
    members = [
        f"{_quoted(each['name'])}{'' if each.get('required') else '?'}: {_argument(each['schema'])}"
        for each in parameters
    ]
    optional = "" if any(each.get("required") for each in parameters) else "?"
    return f"{optional}: {{ {'; '.join(members)} }}"


def _argument(schema: Schema) -> str:
    kind = _type(schema, "")
    return f"{kind} | boolean" if kind in ("0 | 1", "1 | 0") else f"{kind} | null" if "null" not in kind else kind


def _info(operation: Schema, schemas: Schema) -> str:
    content = operation["responses"]["200"].get("content", {})
    success = content.get("application/json", {}).get("schema", {})
    for each in success.get("oneOf", [success]):
        envelope = schemas.get(each.get("$ref", "").rpartition("/")[2], each)
        if "info" in envelope.get("properties", {}):
            return _type(envelope["properties"]["info"], "    ")
    return "unknown"


def _type(schema: Schema, indent: str) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(map(_literal, schema["enum"]))
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return " | ".join(dict.fromkeys(_type(each, indent) for each in schema[name]))
    kind = schema.get("type")
    if schema.get("format") == "binary":
        return "Blob | ArrayBuffer | ArrayBufferView"
    if isinstance(kind, list):
        return " | ".join(SIMPLE.get(each, "unknown") for each in kind)
    if kind == "array":
        return f"({_type(schema['items'], indent)})[]" if "items" in schema else "unknown[]"
    if kind == "object":
        return _object(schema, indent)
    return SIMPLE.get(kind or "", "unknown")


def _object(schema: Schema, indent: str) -> str:
    properties = schema.get("properties")
    if not properties:
        more = schema.get("additionalProperties")
        return f"Record<string, {_type(more, indent) if isinstance(more, dict) and more else 'unknown'}>"
    required, inner = schema.get("required", ()), indent + "  "
    members = [
        f"{_comment(each, inner)}{inner}{_quoted(name)}{'' if name in required else '?'}: {_type(each, inner)};\n"
        for name, each in properties.items()
    ]
    return "{\n" + "".join(members) + indent + "}"


def _comment(schema: Schema, indent: str) -> str:
    text = " ".join(str(schema.get("description", "")).split()).replace("*/", "* /")
    return f"{indent}/** {text} */\n" if text else ""


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else _literal(name)


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or value is True or value is False
        else str(value)
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
