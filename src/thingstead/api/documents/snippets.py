"""An operation as a program calls it: with curl, in Python with thingstead_client, and in JavaScript with fetch."""

import json
import re
from collections.abc import Mapping
from typing import Any

from thingstead.api.documents.examples import BY_PATH
from thingstead.api.documents.operations import BYTES, KNOWN
from thingstead.api.documents.schemas import Schema

ORIGIN = "@ORIGIN@"  # replaced by scheme, host and port under which a reader reached the server
CURL_CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "accessToken": ('-H "Authorization: Bearer $TOKEN"',),
    "administratorToken": ('-H "Authorization: Bearer $TOKEN"',),
    "metricsToken": ('-H "Authorization: Bearer $METRICS_TOKEN"',),
    "projectKey": ('-H "Project-Key: $PROJECT_KEY"',),
    "session": ("-b session.txt", "-H 'X-Thingstead: 1'", f"-H 'Origin: {ORIGIN}'"),
}
SCRIPT_CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "accessToken": {"Authorization": "`Bearer ${token}`"},
    "administratorToken": {"Authorization": "`Bearer ${token}`"},
    "metricsToken": {"Authorization": "`Bearer ${metricsToken}`"},
    "projectKey": {"'Project-Key'": "projectKey"},
    "session": {"'X-Thingstead'": "'1'"},
    "": {},
}
LOG_IN = "open_session"  # its answer sets the cookie of a session
STREAM = "config"  # of custom data
PLANES = {"/device/v1/": "HttpDevice", "/app/device/v1/": "AppDevice"}


class ExampleRequest:
    """The request of an operation with example values.

    Attributes:
        path: with example values in place of path parameters, and with a query; a device's AccessToken is left as a
            variable, ``$ACCESS_TOKEN`` or ``${accessToken}``.
        body: what is sent as JSON, None if nothing is.
        is_file: the body is the content of a file.
        python: the call of thingstead_client; empty: it has none.
        each: that call is an iterator.
        file: content type of an answer that is a file; empty: the answer is JSON.
        credential: name of the security scheme; empty: none is needed.
    """

    def __init__(self, method: str, path: str, operation: Schema) -> None:
        self.method = method
        self.template = path
        self.operation_id: str = operation["operationId"]
        known = KNOWN.get(f"{method} {path}", {})
        self.query: str = known.get("query", "")
        self.python: str = known.get("python", "")
        self.each: bool = known.get("each", False)
        content: Schema = operation.get("requestBody", {}).get("content", {})
        self.is_file = BYTES in content
        self.body: Any = content.get("application/json", {}).get("example")
        self.has_json = "application/json" in content and method != "GET"  # browsers send none with GET
        security = operation["security"]
        self.credential: str = next(iter(security[0]), "") if security else ""
        self.file = next((kind for kind in operation["responses"]["200"].get("content", ()) if "json" not in kind), "")

    def path(self, access_token: str) -> str:
        """The path with example values; ``access_token`` stands for that of a device."""
        values = {**BY_PATH, "access_token": access_token}
        if "/data/" in self.template:
            values["identifier"] = STREAM
        filled = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], self.template)
        return f"{filled}?{self.query}" if self.query else filled


def curl(request: ExampleRequest) -> str:
    """The command line. Credentials are variables of the shell."""
    quote = '"' if "{access_token}" in request.template else "'"
    method = "" if request.method == "GET" else f"-X {request.method} "
    lines = [f"curl {method}{quote}{ORIGIN}{request.path('$ACCESS_TOKEN')}{quote}"]
    if request.operation_id == LOG_IN:
        lines += ["-c session.txt", *CURL_CREDENTIALS["session"][1:]]
    lines += CURL_CREDENTIALS.get(request.credential, ())
    if request.is_file:
        lines.append("--data-binary @FILE")
    elif request.has_json:
        text = json.dumps(request.body, ensure_ascii=False).replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{text}'"]
    return " \\\n  ".join(lines)


def python(request: ExampleRequest) -> str:
    """A program with thingstead_client; empty if that has no call for the operation."""
    call = re.sub(r"\b(\w+_id)\b(?!=)", lambda match: _python_id(match[1]), request.python)
    if not call:
        return ""
    plane = next((name for prefix, name in PLANES.items() if request.template.startswith(prefix)), "")
    if plane and call.startswith(plane):
        call = call.replace("(url,", f'("{ORIGIN}",')
        return f"from thingstead_client import {plane}\n\ncertificate = {call}"
    if plane:
        names = sorted({"Certificate", plane, *(("PastReport",) if "PastReport" in call else ())})
        opened = f'device = {plane}("{ORIGIN}", Certificate(access_token, project_key))'
        return f"from thingstead_client import {', '.join(names)}\n\n{opened}\n{call}\ndevice.close()"
    login = "AdministratorLogin" if request.credential == "administratorToken" else "ApplicationKeys"
    keys = "app_id, account, password" if login == "AdministratorLogin" else "app_id, access_key, secret_key"
    use = f"for item in api.{call}:\n        print(item)" if request.each else f"answer = api.{call}"
    opened = f'with ProjectClient("{ORIGIN}", {login}({keys})) as api:'
    return f"from thingstead_client import {login}, ProjectClient\n\n{opened}\n    {use}"


def javascript(request: ExampleRequest) -> str:
    """A call of fetch, in a page or in Node.js."""
    quote = "`" if "{access_token}" in request.template else "'"
    headers = dict(SCRIPT_CREDENTIALS["session" if request.operation_id == LOG_IN else request.credential])
    options = [] if request.method == "GET" else [f"method: '{request.method}'"]
    if request.has_json:
        headers["'Content-Type'"] = "'application/json'"
    if headers:
        options.append(f"headers: {{ {', '.join(f'{name}: {value}' for name, value in headers.items())} }}")
    if request.is_file:
        options.append("body: bytes")
    elif request.has_json:
        options.append(f"body: JSON.stringify({json.dumps(request.body, ensure_ascii=False)})")
    given = ", {\n  " + ",\n  ".join(options) + "\n}" if options else ""
    read = "text" if request.file else "json"
    address = f"{quote}{ORIGIN}{request.path('${accessToken}')}{quote}"
    return f"const response = await fetch({address}{given})\nconst answer = await response.{read}()"


def _python_id(name: str) -> str:
    example = BY_PATH.get("id" if name == "command_id" else name)
    return f'"{example}"' if example else name
