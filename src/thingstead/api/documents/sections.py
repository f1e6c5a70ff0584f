"""The pages of operations: one for each group of endpoints."""

import json
import re
from collections.abc import Iterator, Mapping

from thingstead.api.documents import snippets
from thingstead.api.documents.markup import code_block, escape, paragraphs, section, table
from thingstead.api.documents.schemas import REFERENCE, Schema
from thingstead.api.documents.shapes import SchemaTables
from thingstead.api.documents.words import Words

METHOD_ORDER = ("get", "post", "put", "delete")
TABS = {"curl": "curl", "py": "Python", "js": "JavaScript"}  # by class of their blocks
ROLE_LINES = re.compile(r"\n*(Role: `\w+`\.|For administrators \(`admin_login`\) only\.)")

Operation = tuple[str, str, Schema]  # method, path, operation object


def grouped(document: Schema) -> dict[str, list[Operation]]:
    """Operations by tag, in the order of the document; those of one path in METHOD_ORDER."""
    groups: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method in sorted(methods, key=METHOD_ORDER.index):
            operation = methods[method]
            groups[operation["tags"][0]].append((method.upper(), path, operation))
    return groups


class OperationsPage:
    """Shows the operations of a group in a language."""

    def __init__(self, components: Mapping[str, Schema], words: Words) -> None:
        self._words = words
        self._components = components
        self._shapes = SchemaTables(components, words)

    def render(self, operations: list[Operation]) -> str:
        """The content of the page."""
        articles = "".join(self._operation(*operation) for operation in operations)
        types = self._shapes.types()
        return articles + (section("types", self._words("Types"), types) if types else "")

    def _operation(self, method: str, path: str, operation: Schema) -> str:
        words, name = self._words, operation["operationId"]
        marks = "".join(f' <em class="{kind}">{escape(label)}</em>' for kind, label in self._marks(path, operation))
        request = snippets.ExampleRequest(method, path, operation)
        parts = [
            f'<article id="{name}" {self._tried(request, operation)}>',
            f'<h2><a href="#{name}">{escape(words(operation["summary"]))}</a>{marks}</h2>',
            f'<p class="path">{method_mark(method)}<code>{shown_path(path)}</code></p>',
            paragraphs(words.paragraphs(ROLE_LINES.sub("", operation.get("description", "")))),
        ]
        for place, title in (("path", "Path"), ("query", "Query")):
            chosen = [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == place]
            if chosen:
                rows = [self._parameter(parameter) for parameter in chosen]
                parts.append(f"<h4>{words(title)}</h4>{table([words('name'), words('type'), words('meaning')], rows)}")
        content = operation.get("requestBody", {}).get("content", {})
        if request.is_file:
            parts.append(f"<h4>{words('Body')}</h4><p>{words('The bytes of the message.')}</p>")
        elif request.has_json:
            shape = self._shapes.members(content["application/json"]["schema"])
            parts.append(f"<h4>{words('Body')}</h4>{shape}")
        parts += [f"<h4>{words('Request')}</h4>{self._request(request)}", self._answer(operation)]
        return "".join((*parts, "</article>"))

    def _marks(self, path: str, operation: Schema) -> Iterator[tuple[str, str]]:
        words = self._words
        if operation.get("x-thingstead-extension"):
            yield "extension", words("extension")
        credential = next((name for scheme in operation["security"][:1] for name in scheme), "")
        if not credential:
            yield "public", words("no token")
        elif credential == "administratorToken":
            yield "administrator", words("administrators")
        elif credential == "session":
            yield "administrator", words("session in a browser")
        elif credential == "projectKey":
            yield "device", words("device certificate") if "{access_token}" in path else "Project-Key"
        if "x-thingstead-role" in operation:
            yield "role", f"{words('role')} {operation['x-thingstead-role']}"

    def _parameter(self, parameter: Schema) -> tuple[str, str, str]:
        schema = parameter["schema"]
        bounds = {} if parameter["in"] == "path" else schema
        mark = f" <b>{self._words('required')}</b>" if parameter["required"] and parameter["in"] == "query" else ""
        about = self._shapes.about(bounds, parameter.get("description", ""))
        return f"<code>{escape(parameter['name'])}</code>{mark}", self._shapes.kind(schema), about

    def _request(self, request: snippets.ExampleRequest) -> str:
        labels = "".join(f'<label for="tab-{kind}" class="tab-{kind}">{name}</label>' for kind, name in TABS.items())
        python = (
            snippets.python(request) or f"# {self._words('not in the Python client: it is for browsers and files')}"
        )
        blocks = {"curl": snippets.curl(request), "py": python, "js": snippets.javascript(request)}
        shown = "".join(code_block(text, kind) for kind, text in blocks.items())
        return f'<div class="code"><div class="bar">{labels}</div>{shown}</div>'

    def _tried(self, request: snippets.ExampleRequest, operation: Schema) -> str:
        """What the script of the page must know to send the request."""
        names = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
        body = "file" if request.is_file else json.dumps(request.body, indent=2, ensure_ascii=False)
        known = {
            "method": request.method,
            "path": request.template,
            "query": " ".join(names),
            "given": request.query,
            "body": body if request.is_file or request.has_json else "",
            "credential": request.credential,
        }
        return " ".join(f'data-{name}="{escape(value)}"' for name, value in known.items() if value)

    def _answer(self, operation: Schema) -> str:
        words, answer = self._words, operation["responses"]["200"]
        title = f"<h4>{words('Answer')}</h4>{paragraphs([outcome(answer['description'], words)])}"
        shown = answer.get("content", {}).get("application/json", {})
        if "example" not in shown:
            return title
        text = json.dumps(shown["example"], indent=1, ensure_ascii=False)
        return f"{title}<p>{self._success(shown['schema'])}</p>{code_block(text, 'answer')}"

    def _success(self, schema: Schema) -> str:
        """The type of ``info``; on the planes of devices that of the whole answer."""
        success = schema["oneOf"][0] if "oneOf" in schema else schema
        envelope = self._components.get(success.get("$ref", "").removeprefix(REFERENCE), {})
        info = envelope.get("properties", {}).get("info")
        if info is None or not envelope.get("title", "").endswith("Answer"):
            return self._shapes.kind(success)
        return f"<code>info</code>: {self._shapes.kind(info)}"


def outcome(text: str, words: Words) -> str:
    """The description of an answer: ``Success; or a refusal, errcode 400, 404.``"""
    matched = re.fullmatch(r"Success; or a refusal, errcode ([\d, ]+)\.", text)
    if matched is None:
        return words(text)
    codes = matched[1] if words.language == "en" else matched[1].replace(", ", "、")
    return words("Success; or a refusal, errcode CODES.").replace("CODES", codes)


def method_mark(method: str) -> str:
    """The method of a request in its colour."""
    return f'<b class="method {method.lower()}">{method}</b>'


def shown_path(path: str) -> str:
    """A path whose parameters stand out."""
    return re.sub(r"\{\w+\}", lambda match: f"<i>{match[0]}</i>", escape(path))
