"""The operator of a project: calls of the Project API from the command line, and how their answers are printed."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click
import msgspec

from thingstead.cli.options import command_config, config_option, data_options, json_option
from thingstead.config import Config
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model.values.unicode_text import account_key, shown
from thingstead.refusals import Reason
from thingstead.server.local.calls import LocalCall, ProjectRow, raise_failure
from thingstead.server.local.client import ask

F = TypeVar("F", bound=Callable[..., Any])
LIST_LIMIT = 1_000  # rows that a list prints


class Operator:
    """Calls on behalf of the operator of this machine.

    Args:
        project_id: the project; None: the only one.
    """

    def __init__(self, config: Config, project_id: str | None) -> None:
        self.config = config
        self._project_id = project_id

    def run(self, operation: str, answer_type: Any = Any, **arguments: Any) -> Any:
        """The result of an operation on the installation. Raises ThingsteadError."""
        answered = ask(self.config, LocalCall(operation=operation, arguments=arguments))
        raise_failure(answered)
        return msgspec.json.decode(answered.body, type=answer_type)

    @property
    def project(self) -> str:
        """Id of the project. UsageError if there are several and none is named."""
        if self._project_id is None:
            projects = self.run("projects", list[ProjectRow])
            if len(projects) > 1:
                raise click.UsageError(
                    "there are several projects; name one with --project ID (thingstead project list)"
                )
            self._project_id = projects[0].id
        return self._project_id

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """``info`` of a call of the Project API, without ``/api/v1`` in front of the path.

        Raises:
            ThingsteadError: the call was refused; the message names the field.
        """
        given = {name: value for name, value in query.items() if value is not None}
        full = f"/api/v1{path}{'?' + urlencode(given) if given else ''}"
        raw = msgspec.UNSET if body is None else msgspec.Raw(msgspec.json.encode(body))
        answered = ask(self.config, LocalCall(method=method, path=full, project=self.project, body=raw))
        answer: dict[str, Any] = msgspec.json.decode(answered.body)
        if answer.get("result") is not True:
            raise ThingsteadError(Reason(answer.get("code", ""), _why(answer)))
        return answer.get("info")

    def items(self, path: str, limit: int = LIST_LIMIT, **query: Any) -> list[dict[str, Any]]:
        """The items of a paged list, at most ``limit``."""
        items: list[dict[str, Any]] = []
        page = 1
        while len(items) < limit:
            size = min(100, limit)
            answered = self.call("GET", path, page=page, page_records=size, **query)
            items += answered["items"]
            if page >= answered["page_total"]:
                break
            page += 1
        return items[:limit]

    def administrator(self, account: str) -> str:
        """Id of the administrator with an account, in whatever case if only one matches. Raises NotFound."""
        administrators = self.items("/admins")
        exact = [each["id"] for each in administrators if each["account"] == account]
        alike = [each["id"] for each in administrators if account_key(each["account"]) == account_key(account)]
        if exact or len(alike) == 1:
            return str((exact or alike)[0])
        raise NotFound("not_done", detail=f"no administrator {account} in project {self.project}")


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def on_installation(command: F) -> F:
    """``--data-dir``, ``--database``, ``--config`` and ``--json``; the command gets an Operator and ``as_json``."""

    @data_options
    @config_option
    @json_option
    @wraps(command)
    def with_operator(
        file: Path | None, data_dir: str | None, database: str | None, project_id: str | None = None, **rest: Any
    ) -> Any:
        return command(Operator(command_config(file, data_dir=data_dir, database=database), project_id), **rest)

    return with_operator  # type: ignore[return-value]


def operated(command: F) -> F:
    """The same with ``--project``, for commands on one project."""
    project_option = click.option(
        "--project", "project_id", metavar="ID", help="The project's id; required if there are several."
    )
    return project_option(on_installation(command))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """A table with a head, or a JSON array of the whole rows."""
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
        return
    cells = [[shown(_text(row.get(column))) for column in columns] for row in rows]
    widths = [max([len(column), *(len(line[n]) for line in cells)]) for n, column in enumerate(columns)]
    for line in ([column.upper() for column in columns], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """A line for each member, or a JSON object."""
    if as_json:
        click.echo(msgspec.json.encode(facts).decode())
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name.ljust(width)}  {shown(_text(value))}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _why(answer: Mapping[str, Any]) -> str:
    errors = answer.get("errors") or []
    if errors:
        return "; ".join(f"{error['field']}: {error['message']}" for error in errors)
    return str(answer.get("message", "refused"))
