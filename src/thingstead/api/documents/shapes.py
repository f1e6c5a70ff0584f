"""Tables of the members of bodies and answers. A named type is shown once a page, and linked to wherever it is used."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from thingstead.api.documents.markup import escape, inline, paragraphs, table
from thingstead.api.documents.schemas import REFERENCE, Schema
from thingstead.api.documents.words import Words

BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minProperties", "maxProperties", "members"),
)


class SchemaTables:
    """Shows schemas, and remembers to which types they refer.

    Args:
        components: the named schemas.
    """

    def __init__(self, components: Mapping[str, Schema], words: Words) -> None:
        self._components = components
        self._words = words
        self._mentioned: dict[str, None] = {}

    def kind(self, schema: Schema) -> str:
        """The type of a value, with every alternative: ``string``, ``Condition[]``, ``number | null``."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(REFERENCE)
            self._mentioned[name] = None
            return f'<a href="#type-{escape(name)}">{escape(name)}</a>'
        for alternatives in ("anyOf", "oneOf"):
            if alternatives in schema:
                return " | ".join(self.kind(option) for option in schema[alternatives])
        if "const" in schema:
            return f"<code>{escape(json.dumps(schema['const']))}</code>"
        kind = schema.get("type", "any")
        if kind == "array":
            inner = self.kind(schema["items"])
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        values = schema.get("additionalProperties")
        if kind == "object" and isinstance(values, dict):
            return f"{{string: {self.kind(values)}}}"
        return escape(kind)

    def members(self, schema: Schema) -> str:
        """The table of the members of an object; of another schema its type."""
        known = self._components[schema["$ref"].removeprefix(REFERENCE)] if "$ref" in schema else schema
        if "properties" not in known:
            return f"<p>{self.kind(schema)}</p>"
        heads = [self._words(title) for title in ("member", "type", "meaning")]
        return table(heads, self._rows(known))

    def types(self) -> str:
        """The types that have been referred to, and those to which they refer in turn."""
        shown: dict[str, str] = {}
        while self._mentioned.keys() - shown.keys():
            for name in [name for name in self._mentioned if name not in shown]:
                schema = self._components[name]
                told = paragraphs([self._words(schema.get("description", ""))])
                shown[name] = (
                    f'<section class="type" id="type-{name}"><h3>{name}</h3>{told}{self.members(schema)}</section>'
                )
        return "".join(shown[name] for name in sorted(shown))

    def about(self, schema: Schema, described: str | None = None) -> str:
        """The description of a value, and its bounds."""
        text = inline(self._words(schema.get("description", "") if described is None else described))
        bounds = "; ".join(self._bounds(schema))
        return f"{text} <small>{bounds}</small>" if bounds else text

    def _rows(self, schema: Schema) -> Iterator[tuple[str, str, str]]:
        required = schema.get("required", ())
        for name, member in schema["properties"].items():
            mark = f" <b>{self._words('required')}</b>" if name in required else ""
            yield f"<code>{escape(name)}</code>{mark}", self.kind(member), self.about(member)

    def _bounds(self, schema: Schema) -> Iterator[str]:
        for each in (schema, *schema.get("anyOf", ())):
            yield from self._own_bounds(each)

    def _own_bounds(self, schema: Schema) -> Iterator[str]:
        if "enum" in schema:
            yield " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
        for least, most, unit in BOUNDS:
            low, high = schema.get(least), schema.get(most)
            if (low, high) != (None, None):
                span = f"≥ {low}" if high is None else f"≤ {high}" if low is None else f"{low}…{high}"
                yield f"{span} {self._words(unit)}".strip()
        if schema.get("default") not in (None, "", [], {}):
            yield f"{self._words('default')} <code>{escape(_text(schema['default']))}</code>"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
