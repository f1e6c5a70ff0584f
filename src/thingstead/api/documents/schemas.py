"""Schemas of the OpenAPI document: those of msgspec, made complete for programs that generate clients."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"
FOLDER = files("thingstead.api.documents")
# Descriptions of members, each in English and Chinese: of every member with a name, unless its declaration has one, or
# of one member of a struct, ``Struct.name``.
MEMBERS: Mapping[str, Mapping[str, str]] = json.loads(FOLDER.joinpath("members.json").read_text("utf-8"))
_REFERRED = re.compile(f'"{REFERENCE}(\\w+)"')
_KIND_OF = {str: "string", bool: "boolean", int: "integer"}


def schemas_of(kinds: Sequence[Any]) -> tuple[list[Schema], Schema]:
    """Schemas of these types, and the components that they refer to. Pages of lists get readable names."""
    made = msgspec.json.schema_components(kinds, ref_template=REFERENCE + "{name}")
    text = re.sub(rb"\bListed_(\w+)_(?=\")", rb"\1Page", msgspec.json.encode(made))
    schemas, components = msgspec.json.decode(text)
    for name, schema in components.items():
        completed(schema)
        for member, declared in schema.get("properties", {}).items():
            known = MEMBERS.get(f"{name}.{member}") or MEMBERS.get(member)
            if known is not None:
                declared.setdefault("description", known["en"])
    for struct, value in (("Failure", False), ("Refusal", 0)):
        _make_constant(components[struct], "result", value)
    return [completed(schema) for schema in schemas], components


def completed(schema: Schema) -> Schema:
    """Adds what generators need, in place: types of enumerations, ``items`` of arrays, the description of the only
    alternative to null for the whole; removes alternatives that others include."""
    for inner in _inner(schema):
        completed(inner)
    if "description" in schema:
        schema["description"] = inspect.cleandoc(schema["description"])
    if "enum" in schema and "type" not in schema:
        schema["type"] = _KIND_OF[type(schema["enum"][0])]
    if schema.get("type") == "array":
        schema.setdefault("items", {})
    if "anyOf" in schema:
        _simplify(schema)
    return schema


def _inner(schema: Schema) -> Iterator[Schema]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield schema[name]


def _simplify(schema: Schema) -> None:
    options: list[Schema] = []
    alone = sum(option.get("type") != "null" for option in schema["anyOf"]) == 1
    for option in schema["anyOf"]:
        if alone and "description" in option:  # of several, each keeps its own
            schema.setdefault("description", option.pop("description"))
        options += option["anyOf"] if set(option) == {"anyOf"} else [option]
    if {"type": "number"} in options:  # an integer is a number
        options = [option for option in options if option != {"type": "integer"}]
    if len(options) == 1:
        del schema["anyOf"]
        schema.update(options[0] | schema)
    else:
        schema["anyOf"] = options


def _make_constant(schema: Schema, name: str, value: bool | int) -> None:
    """States that a member always has one value, and is always there."""
    member = schema["properties"][name]
    schema["properties"][name] = {"type": _KIND_OF[type(value)], "const": value, "description": member["description"]}
    schema["required"] = list(dict.fromkeys([name, *schema.get("required", ())]))


def mentioned(components: Schema, roots: Any) -> Schema:
    """The components to which these parts of the document refer, and those to which they refer in turn."""
    found: dict[str, None] = {}
    waiting = [roots]
    while waiting:
        for name in _REFERRED.findall(msgspec.json.encode(waiting.pop()).decode()):
            if name not in found:
                found[name] = None
                waiting.append(components[name])
    return {name: schema for name, schema in components.items() if name in found}


def envelope(info_name: str, info: Schema) -> Schema:
    """The schema of a successful answer of the Project API."""
    described = {name: MEMBERS[f"answer.{name}"]["en"] for name in ("result", "info", "warnings")}
    named = {"$ref": f"{REFERENCE}NamedError"}
    members = {
        "result": {"type": "boolean", "const": True, "description": described["result"]},
        "info": info | {"description": described["info"]},
        "warnings": {"type": "array", "items": named, "description": described["warnings"]},
    }
    return {
        "title": f"{info_name}Answer",
        "description": f"Success, with {info_name}.",
        "type": "object",
        "properties": members,
        "required": ["result", "info"],
    }
