"""The documentation page: HTML from the OpenAPI document. Works without a network and without JavaScript."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from thingstead.api.documents.examples import resolve

Schema = Mapping[str, Any]

METHOD_ORDER = ("get", "post", "put", "delete")
CREDENTIALS = {  # curl options by security scheme
    "accessToken": "-H 'Authorization: Bearer <AccessToken>'",
    "administratorToken": "-H 'Authorization: Bearer <AccessToken>'",
    "session": "-H 'X-Thingstead: 1' --cookie '<session>'",
    "metricsToken": "-H 'Authorization: Bearer <metrics_token>'",
    "projectKey": "-H 'Project-Key: <ProjectKey>'",
}
CODE = re.compile(r"`([^`]+)`")
BOLD = re.compile(r"\*\*([^*]+)\*\*")


def render_page(document: Schema) -> str:
    """Renders the whole page."""
    components = document["components"]["schemas"]
    groups = _grouped(document)
    style = files("thingstead.api.documents").joinpath("docs.css").read_text("utf-8")
    info = document["info"]
    body = "".join(
        (
            _navigation(groups),
            "<main>",
            f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
            _markdown(info["description"]),
            _errcodes(info["x-errcodes"]),
            *(_group(tag, operations, components) for tag, operations in groups.items()),
            "</main>",
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{style}</style></head><body>{body}</body></html>"
    )


Operation = tuple[str, str, Schema]  # method, path, operation object


def _grouped(document: Schema) -> dict[str, list[Operation]]:
    """Operations by tag, in the order of the document; those of one path in METHOD_ORDER."""
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method in sorted(methods, key=METHOD_ORDER.index):
            operation = methods[method]
            groups[operation["tags"][0]].append((method.upper(), path, operation))
    return groups


def _navigation(groups: Mapping[str, list[Operation]]) -> str:
    parts = ['<nav><a class="home" href="#top">Thingstead</a><a href="#errcodes">Errcodes</a>']
    for tag, operations in groups.items():
        links = "".join(
            f'<a href="#{operation["operationId"]}">{_method(method)}<span>{escape(operation["summary"])}</span></a>'
            for method, _, operation in operations
        )
        parts.append(f"<details><summary>{escape(tag)}</summary>{links}</details>")
    parts.append('<a href="/openapi.json">openapi.json</a></nav>')
    return "".join(parts)


def _errcodes(codes: list[Schema]) -> str:
    rows = [(str(code["errcode"]), code["http_status"], escape(code["meaning"])) for code in codes]
    return f'<section id="errcodes"><h2>Errcodes</h2>{_table(("errcode", "HTTP", "meaning"), rows)}</section>'


def _group(tag: str, operations: list[Operation], components: Schema) -> str:
    articles = "".join(_operation(*operation, components) for operation in operations)
    return f"<section><h2>{escape(tag)}</h2>{articles}</section>"


def _operation(method: str, path: str, operation: Schema, components: Schema) -> str:
    marks = "".join(f'<em class="{kind}">{label}</em>' for kind, label in _marks(path, operation))
    parts = [
        f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}{marks}</h3>',
        f'<p class="path">{_method(method)}<code>{_path(path)}</code></p>',
        _markdown(operation.get("description", "")),
    ]
    for place, title in (("path", "Path"), ("query", "Query")):
        chosen = [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == place]
        if chosen:
            rows = [_parameter_row(parameter, components) for parameter in chosen]
            parts.append(f"<h4>{title}</h4>{_table(('name', 'type', ''), rows)}")
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        content = content["application/json"]
        parts.append(f"<h4>Body</h4>{_shape(content['schema'], components)}")
    parts.append(f"<h4>Request</h4><pre>{escape(_curl(method, path, operation, content))}</pre>")
    parts.append(_answer(operation, components))
    return "".join((*parts, "</article>"))


def _marks(path: str, operation: Schema) -> Iterator[tuple[str, str]]:
    if operation.get("x-thingstead-extension"):
        yield "extension", "extension"
    if not operation["security"]:
        yield "public", "no token"
    elif "administratorToken" in operation["security"][0]:
        yield "administrator", "administrators"
    elif "projectKey" in operation["security"][0]:
        yield "device", "device certificate" if "{access_token}" in path else "Project-Key"


def _answer(operation: Schema, components: Schema) -> str:
    answer = operation["responses"]["200"]
    shown = answer.get("content", {}).get("application/json", {})
    if "example" not in shown:
        return f"<h4>Answer</h4>{_markdown(answer['description'])}"
    success = shown["schema"]["oneOf"][0]
    info = success.get("properties", {}).get("info")  # only the Project API has this member
    text = json.dumps(shown["example"], indent=2, ensure_ascii=False)
    title, shape = "Members of info" if info else "Members", _shape(info or success, components)
    fields = f"<details><summary>{title}</summary>{shape}</details>" if shape else ""
    return f"<h4>Answer</h4>{_markdown(answer['description'])}<pre>{escape(text)}</pre>{fields}"


def _shape(schema: Schema, components: Schema) -> str:
    """Table of the members of an object; nested members by their path."""
    rows = list(_member_rows(schema, components, ""))
    return _table(("member", "type", ""), rows) if rows else ""


def _member_rows(schema: Schema, components: Schema, prefix: str, depth: int = 0) -> Iterator[tuple[str, str, str]]:
    target = resolve(schema, components)
    if target.get("type") == "array":
        yield from _member_rows(target.get("items", {}), components, f"{prefix}[]", depth)
        return
    required = target.get("required", ())
    for name, member in target.get("properties", {}).items():
        path = f"{prefix}.{name}".removeprefix(".")
        mark = " <b>required</b>" if name in required else ""
        yield f"<code>{escape(path)}</code>", escape(_kind(member, components)), _about(member, components) + mark
        if depth < 3:
            yield from _member_rows(member, components, path, depth + 1)


def _parameter_row(parameter: Schema, components: Schema) -> tuple[str, str, str]:
    schema = parameter["schema"]
    about = _inline(parameter.get("description", ""))
    return f"<code>{escape(parameter['name'])}</code>", _kind(schema, components), f"{about} {_bounds(schema)}"


def _about(member: Schema, components: Schema) -> str:
    target = resolve(member, components)
    described = member.get("description") or ("" if "$ref" in member else target.get("description", ""))
    return f"{_inline(described)} {_bounds({**target, **member})}"


def _kind(schema: Schema, components: Schema) -> str:
    target = resolve(schema, components)
    kind = str(target.get("type", "any"))
    if kind == "array":
        return f"array of {_kind(target.get('items', {}), components)}"
    return kind


def _bounds(schema: Schema) -> str:
    words = []
    if "enum" in schema:
        words.append("one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"]))
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " members"),
    ):
        if most in schema:
            words.append(f"{schema.get(least, 0)} to {schema[most]}{unit}")
    if schema.get("default") not in (None, "", {}, [], ...):
        words.append(f"default <code>{escape(json.dumps(schema['default']))}</code>")
    return f"<small>{'; '.join(words)}</small>" if words else ""


def _curl(method: str, path: str, operation: Schema, content: Schema | None) -> str:
    lines = [f"curl {'' if method == 'GET' else f'-X {method} '}http://localhost:8080{path}"]
    lines += [CREDENTIALS[name] for scheme in operation["security"][:1] for name in scheme]
    if content and "example" not in content:
        lines.append("--data-binary @FILE")
    elif content:
        shown = json.dumps(content["example"], ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"-d '{shown}'"]
    return " \\\n  ".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _method(method: str) -> str:
    return f'<b class="method {method.lower()}">{method}</b>'


def _path(path: str) -> str:
    return re.sub(r"\{\w+\}", lambda match: f"<i>{match[0]}</i>", escape(path))


def _markdown(text: str) -> str:
    """Renders paragraphs with code and bold words; descriptions use no more of Markdown."""
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in re.split(r"\n\s*\n", text.strip()) if paragraph)


def _inline(text: str) -> str:
    text = escape(text.replace("``", "`"), quote=False)
    return BOLD.sub(r"<b>\1</b>", CODE.sub(r"<code>\1</code>", text))
