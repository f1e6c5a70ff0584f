"""The examples of /docs, run as they stand there, with the ids of what exists in place of those of the examples."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import thingstead_client
from tests.project_api import ProjectApi
from tests.running import eventually
from tests.server_process import ServerProcess, init
from thingstead.api.documents import snippets
from thingstead.api.documents.examples import BY_NAME, BY_PATH
from thingstead.api.documents.openapi import openapi_document
from thingstead.api.documents.operations import KNOWN
from thingstead.api.documents.site import CURL_START, PYTHON_START, SCRIPT_START
from thingstead.api.documents.snippets import ORIGIN, ExampleRequest
from thingstead.api.routes import ENDPOINTS
from thingstead.client.call import Listing
from thingstead.errors import ThingsteadError
from thingstead.services.registry.projects import Credentials

DOCUMENT = openapi_document(ENDPOINTS)
REQUESTS = [
    ExampleRequest(method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if f"{method.upper()} {path}" in KNOWN
]
# What is removed or becomes invalid is last, in this order.
LAST = (
    *(
        "delete_view",
        "delete_alarm_rule",
        "delete_message_rule",
        "delete_dead_letters",
        "delete_forward_target",
        "delete_task",
        *("end_ota_rollout", "delete_ota_rollout", "delete_ota_version"),
        "delete_notify_group",
        "withdraw_retention",
        "reset_certificate",
        "delete_devices",
    ),
    *("delete_device", "delete_device_group", "delete_customer", "delete_device_type", "end_own_session"),
    *("end_session_of_administrator", "set_administrator_role", "set_administrator_password", "delete_administrator"),
    *("set_application_role", "reset_application_keys", "delete_application", "change_own_password", "close_session"),
)
ONCE = "rotate_project_key"  # refused while the key before is still valid: of several readers the first succeeds
# The device of the examples is offline, and what has one step left is done by an earlier example.
REFUSED = {
    **dict.fromkeys(("call_command", "call_command_by_application", "call_command_by_query"), 404),
    **dict.fromkeys(("send_data", "send_data_by_application"), 404),
    "cancel_job": 409,
    "cancel_task_run": 409,
    "delete_ota_version": 409,
    "upload_ota_file": 409,
    "delete_device": 404,
    "delete_device_type": 409,
    "end_own_session": 404,
    "end_session_of_administrator": 404,
    "change_own_password": 400,
    "withdraw_retention": 404,
}


def in_order(requests: list[ExampleRequest]) -> list[ExampleRequest]:
    return sorted(requests, key=lambda each: LAST.index(each.operation_id) + 1 if each.operation_id in LAST else 0)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples") / "data"


@pytest.fixture(scope="module")
def credentials(data_dir: Path) -> Credentials:
    return init(data_dir)


@pytest.fixture(scope="module")
def server(data_dir: Path, credentials: Credentials) -> Iterator[ServerProcess]:
    """A server for the whole module, which must log no bug."""
    server = ServerProcess(data_dir, THINGSTEAD_ACCOUNT_LOGIN_FAILURES_MAX="1000000").wait_until_serving()
    yield server
    server.stop()
    assert [record for record in server.records if record["level"] in ("error", "critical")] == []


class Reader:
    """A reader of the documentation with a project: the ids of what exists, and the credentials.

    Args:
        name: distinguishes what several readers create in one project.
    """

    def __init__(self, name: str, server: ServerProcess, credentials: Credentials) -> None:
        self.server = server
        self.credentials = credentials
        with ProjectApi(server.url, credentials) as api:
            login = {
                "app_id": credentials.app_id,
                "account": credentials.admin_account,
                "password": credentials.admin_password,
            }
            self.token = str(api.call("POST", "/admin_login", json=login)["access_token"])
            api.log_in_with(self.token)
            self._words = self._made(api, name)
            self.access_token, self.project_key = self._certificate

    def _made(self, api: ProjectApi, name: str) -> dict[str, str]:
        """What is replaced in the examples by what is there."""

        def create(path: str, **body: Any) -> str:
            return str(api.call("POST", path, json=body)["id"])

        made = {"type_id": create("/device_type", name=f"boilers {name}", auto_create=True)}
        device = api.create_device(type=made["type_id"])
        self._certificate = device.access_token, device.project_key
        made["device_id"] = device.device_id
        made["id"] = create(f"/control/device/{device.device_id}/command", method="stop", wait_ms=3_600_000)
        rows = [{"name": f"one of many {name}"}] * 1_001  # more than one call changes
        api.call("POST", "/devices_import", json={"devices": rows})
        many = {"filter": {"keyword": f"one of many {name}"}, "total": 1_001, "tags": {"a": "b"}}
        made["job_id"] = str(api.call("POST", "/devices_tags", json=many)["job"])
        made["view_id"] = create("/device_views", name="offline", query="online=0")
        made["group_id"] = create("/device_group", name="cellar")
        made["customer_id"] = create("/customer", name="Al", account=f"al.{name}", password="a long password")
        made["app_id"] = create("/application", name="panel")
        made["admin_id"] = create("/admin", account=f"known.{name}", password="a long password")
        made["notify_group_id"] = create("/notify_group", name="night")
        rule = {"raise": {"no_data_ms": 1}}
        made["rule_id"] = create("/alarm_rule", name="hot", devices=[device.device_id], **rule)
        listening = {"on": "after_report", "actions": [{"set": {"seen": True}}]}
        made["message_rule_id"] = create("/message_rule", name="seen", devices=[device.device_id], **listening)
        address = {"kinds": ["event"], "url": {"url": "http://127.0.0.1:9/nobody"}}
        made["forward_target_id"] = create("/forward_target", name="ERP", **address)
        task = {"schedule": {"cron": "0 18 * * *"}, "action": {"push": {"lamp": True}}}
        made["task_id"] = create("/task", name="lamps", filter={"keyword": "no such device"}, **task)
        made["task_run_id"] = create(f"/task/{made['task_id']}/run")
        made["alarm_id"] = self._first_alarm(api, device.device_id)
        made |= self._firmware(api, made["type_id"], device.device_id)
        type_key = api.call("GET", f"/device_type/{made['type_id']}")["type_key"]
        words = {BY_PATH[path]: value for path, value in made.items()}
        session = f'"account": "{self.credentials.admin_account}", "password": "{self.credentials.admin_password}"'
        return {
            **words,
            "k3v9x2ab": made["device_id"],
            "z1x2c3v4b5": str(type_key),
            '"account": "admin", "password": "correct horse battery"': session,
            '"alice"': f'"alice.{name}"',
            '"bob"': f'"bob.{name}"',
            "867997030000000": f"86799703{name}",
            BY_NAME["app_id"]: self.credentials.app_id,
            BY_NAME["access_key"]: self.credentials.access_key,
            BY_NAME["secret_key"]: self.credentials.secret_key,
            ORIGIN: self.server.url,
        }

    def _firmware(self, api: ProjectApi, type_id: str, device_id: str) -> dict[str, str]:
        """A version with a file, and a rollout that has not started, of one device that waits for its connection."""
        version = {"name": "June", "version_name": "1.1", "types": [type_id], "from_versions": ["*"]}
        version_id = str(api.call("POST", "/ota_version", json=version)["id"])
        api.call("PUT", f"/ota_version/{version_id}/file", content=b"image")
        begun = {"devices": [device_id], "start": False}
        rollout_id = str(api.call("POST", f"/ota_version/{version_id}/rollout", json=begun)["id"])
        eventually(lambda: api.call("GET", f"/ota_rollout/{rollout_id}")["state"] == "created")
        return {"ota_version_id": version_id, "ota_rollout_id": rollout_id}

    def _first_alarm(self, api: ProjectApi, device_id: str) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            items = api.call("GET", f"/alarms?device={device_id}")["items"]
            if items:
                return str(items[0]["id"])
        raise AssertionError("no alarm was raised")

    def filled(self, example: str) -> str:
        """An example with the ids of what exists."""
        for word, value in self._words.items():
            example = example.replace(word, value)
        return example

    @property
    def variables(self) -> dict[str, str]:
        """What readers have to set themselves."""
        given = self.credentials
        return {
            "TOKEN": self.token,
            "ACCESS_TOKEN": self.access_token,
            "PROJECT_KEY": self.project_key,
            "APP_ID": given.app_id,
            "ACCESS_KEY": given.access_key,
            "SECRET_KEY": given.secret_key,
        }


def run(program: tuple[str, ...], script: str, environ: dict[str, str], folder: Path) -> str:
    command = [*program, script]
    environ = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **environ}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def wrong(request: ExampleRequest, text: str) -> str:
    """What is wrong with an answer; empty if it is a success, or the refusal that is expected."""
    if request.file:
        return "" if "time,ts,identifier,value" in text else text
    answer = json.loads(text)
    errcode = 0 if answer.get("result") in (True, 1) else answer["errcode"]
    return "" if is_expected(request, errcode) else f"{request.operation_id}: {text[:300]}"


def is_expected(request: ExampleRequest, errcode: int) -> bool:
    """Whether an example succeeds, or is refused, as it should."""
    return errcode == REFUSED.get(request.operation_id, 0) or (request.operation_id, errcode) == (ONCE, 409)


@pytest.mark.external("bash", "curl")
def test_every_curl_command_is_answered_as_the_page_says(
    server: ServerProcess, credentials: Credentials, tmp_path: Path
) -> None:
    reader = Reader("1", server, credentials)
    (tmp_path / "FILE").write_bytes(b"\x01\x03")
    requests = in_order(REQUESTS)
    lines = [reader.filled(snippets.curl(each)).replace("curl ", "curl -s ", 1) for each in requests]
    script = "\n".join(
        f"{line}; echo; echo --- {each.operation_id}" for line, each in zip(lines, requests, strict=True)
    )
    output = run(("bash", "-c"), script, reader.variables, tmp_path)
    answers = re.findall(r"(.*?)\n--- (\w+)\n", output, re.DOTALL)
    assert [name for _, name in answers] == [each.operation_id for each in requests]
    told = [wrong(request, text.strip()) for request, (text, _) in zip(requests, answers, strict=True)]
    assert "\n".join(filter(None, told)) == ""
    assert run(("bash", "-c"), reader.filled(CURL_START), reader.variables, tmp_path).count('"result":true') == 1


def test_every_python_example_is_answered_and_calls_what_the_operation_does(
    server: ServerProcess, credentials: Credentials
) -> None:
    reader = Reader("2", server, credentials)
    names = {
        "app_id": credentials.app_id,
        "access_key": credentials.access_key,
        "secret_key": credentials.secret_key,
        "account": credentials.admin_account,
        "password": credentials.admin_password,
        "access_token": reader.access_token,
        "project_key": reader.project_key,
        "start": 1_700_000_000_000,
        "end": 1_700_086_400_000,
        "type_key": reader.filled("z1x2c3v4b5"),
        "print": lambda *_: None,
    }
    requests = [each for each in in_order(REQUESTS) if each.python]
    assert len(requests) > 130
    told = []
    for request in requests:
        variables: dict[str, Any] = dict(names)
        errcode = 0
        try:
            exec(reader.filled(snippets.python(request)), variables)  # noqa: S102  # our own documentation
        except ThingsteadError as error:
            errcode = error.errcode
        if "device" in variables:
            variables["device"].close()  # also where the example was refused before it did
        if not is_expected(request, errcode):
            told.append(f"{request.operation_id}: {errcode}")
    assert "\n".join(told) == ""
    exec(reader.filled(PYTHON_START), dict(names))  # noqa: S102


def test_every_python_example_calls_its_operation() -> None:
    """The calls of the Project API name an endpoint by what they make; those of devices are proven by the server."""
    modules = {name: getattr(thingstead_client, name) for name in thingstead_client.__all__}
    variables = {**BY_PATH, "command_id": BY_PATH["id"], "start": 1, "end": 2}
    for request in REQUESTS:
        if request.python and request.template.startswith("/api/v1/"):
            made = eval(request.python, {**modules, **variables})  # noqa: S307  # our own documentation
            assert isinstance(made, Listing) is request.each, request.operation_id
            call = made.page(1) if isinstance(made, Listing) else made
            assert (call.method, f"/api/v1{call.path}") == (request.method, request.path("").partition("?")[0])
            known = KNOWN[f"{request.method} {request.template}"].get("body")
            if known is not None:
                assert set(call.body) <= set(known) | {"max_bytes"}, request.operation_id


@pytest.mark.external("node")
def test_every_javascript_example_is_answered(server: ServerProcess, credentials: Credentials, tmp_path: Path) -> None:
    reader = Reader("3", server, credentials)
    requests = [
        each for each in in_order(REQUESTS) if each.credential != "session" and each.operation_id != "open_session"
    ]
    keep = "said.push(typeof answer === 'string' ? answer : JSON.stringify(answer))"
    blocks = [f"{{\n{reader.filled(snippets.javascript(each))}\n{keep}\n}}" for each in requests]
    given = {
        "appId": credentials.app_id,
        "accessKey": credentials.access_key,
        "secretKey": credentials.secret_key,
        "accessToken": reader.access_token,
        "projectKey": reader.project_key,
    }
    names = [f"const {name} = {json.dumps(value)}" for name, value in given.items()]
    start = f"{{\n{reader.filled(SCRIPT_START)}\nif (!token) throw new Error('no token')\n}}"
    lines = ["const said = []", "const bytes = new Uint8Array([1, 3])", *names, start]
    lines += [f"const token = {json.dumps(reader.token)}", *blocks, "console.log(JSON.stringify(said))"]
    script = tmp_path / "examples.mjs"
    script.write_text("\n".join(lines))
    answers = json.loads(run(("node",), str(script), {}, tmp_path))
    told = [wrong(request, text) for request, text in zip(requests, answers, strict=True)]
    assert "\n".join(filter(None, told)) == ""
