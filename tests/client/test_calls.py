"""The client has a call for every endpoint of the Project API, and knows what each answers."""

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

import thingstead.client.project
from thingstead.api.endpoint import Endpoint
from thingstead.api.project.routes import ENDPOINTS
from thingstead.client.call import Call, Listing
from thingstead.client.projects import AdministratorLogin, ApplicationKeys
from thingstead.model.alarms.rule_form import RuleForm
from thingstead.model.forwarding.target_form import ForwardTargetForm
from thingstead.model.message_rules.rule_form import MessageRuleForm
from thingstead.model.tasks.task_form import TaskForm

# Those of the console are for browsers: a session in a cookie, which a program has no use for.
# A file is sent in pieces, while a call has its answer in one.
SERVED = [each for each in ENDPOINTS if not each.path.startswith("/api/v1/console") and not each.file]
LOGINS = (ApplicationKeys("app", "key", "secret").log_in(), AdministratorLogin("app", "admin", "password").log_in())
BY_NAME: dict[str, Any] = {  # arguments that are no ids
    "tags": {"a": "b"},
    "keys": ["a"],
    "attributes": {"a": 1},
    "rows": [{"name": "a"}],
    "device_ids": ["a"],
    "identifiers": ["a", "b"],
    **{key: ["a"] for key in ("ids", "facets", "not_type", "not_group", "not_customer", "not_gateway", "not_tag")},
    "groups": ["a", "b"],
    "devices": ["a"],
    "preferences": {"theme": "dark"},
    "filter": {"online": True},
    "rules": [{"days": 1}],
    "functions": {},
    "task": dict.fromkeys(TaskForm.__struct_encode_fields__),
    "schedule": {"every_ms": 10_000},
    "rule": dict.fromkeys(RuleForm.__struct_encode_fields__),
}
FORWARD_TARGET = dict.fromkeys(ForwardTargetForm.__struct_encode_fields__)
MESSAGE_RULE = dict.fromkeys(MessageRuleForm.__struct_encode_fields__)


def functions() -> Iterator[Callable[..., Any]]:
    """Every function that makes a call."""
    package = thingstead.client.project
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        for _, function in inspect.getmembers(loaded, inspect.isfunction):
            if function.__module__ == loaded.__name__ and not function.__name__.startswith("_"):
                yield function


def made(function: Callable[..., Any]) -> Call[Any]:
    """The call with every argument given, ids in the place of path parameters."""
    arguments = {
        name: BY_NAME.get(name, f"<{name}>") for name in inspect.signature(function).parameters if name != "page"
    }
    if "rule" in arguments and function.__module__.endswith(".message_rules"):
        arguments["rule"] = MESSAGE_RULE
    if "target" in arguments:
        arguments["target"] = FORWARD_TARGET
    call = function(**arguments)
    assert isinstance(call, Call | Listing)
    return call.page(1) if isinstance(call, Listing) else call


CALLS = [*LOGINS, *(made(function) for function in functions())]


def template(path: str) -> str:
    return re.sub(r"%3C\w+%3E", "{}", f"/api/v1{path}")


def endpoint_of(call: Call[Any]) -> Endpoint:
    path = template(call.path)
    return next(e for e in ENDPOINTS if e.method == call.method and re.sub(r"\{\w+\}", "{}", e.path) == path)


def test_every_endpoint_has_exactly_one_call() -> None:
    calls = [f"{call.method} {template(call.path)}" for call in CALLS]
    endpoints = [f"{endpoint.method} {re.sub(r'{.*?}', '{}', endpoint.path)}" for endpoint in SERVED]
    assert sorted(calls) == sorted(endpoints)


def test_every_member_of_a_query_and_of_a_body_can_be_given() -> None:
    for call in CALLS:
        endpoint = endpoint_of(call)
        if endpoint.query is not None:
            # "group" is a part of "groups", and "start_time" another name of "start"
            names = set(endpoint.query.__struct_fields__)
            twice = {"start_time", "end_time"} if "start" in names else set()
            wanted = names - {"group", "page", "page_records", "cursor"} - twice
            assert wanted <= call.query.keys() <= {*endpoint.query.__struct_fields__}, endpoint.path
        if isinstance(endpoint.body, type) and issubclass(endpoint.body, msgspec.Struct):
            # What is made has no version that could have been read.
            wanted = set(endpoint.body.__struct_encode_fields__) - ({"version"} if endpoint.method == "POST" else set())
            assert call.body.keys() == wanted, endpoint.path


def test_what_a_call_answers_is_the_type_that_the_endpoint_answers() -> None:
    for call in CALLS:
        endpoint = endpoint_of(call)
        if call.kind != endpoint.info:  # an answer with members beside those of a list
            assert issubclass(endpoint.info, typing.get_origin(call.kind)), endpoint.path
            assert endpoint.info.__orig_bases__ == (call.kind,), endpoint.path
