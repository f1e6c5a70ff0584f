"""Every setting, command, option, exit code, metric and route is documented, and nothing is that does not exist."""

import inspect
import re
from pathlib import Path

import click
import httpx
import pytest

from thingstead.api.routes import ENDPOINTS
from thingstead.cli import commands
from thingstead.config import SETTINGS, Config
from thingstead.metrics import CATALOG
from thingstead.server import Server

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table_rows(name: str, first: str) -> dict[str, list[str]]:
    """Rows of the tables of a page by their first cell, which must match ``first`` within backquotes."""
    lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows if re.fullmatch(rf"`{first}`", row[0])}


def leaves(command: click.Command, name: str) -> dict[str, click.Command]:
    """The commands that do something, by their whole name."""
    if not isinstance(command, click.Group):
        return {name: command}
    context = click.Context(command)
    found: dict[str, click.Command] = {}
    for below in command.list_commands(context):
        child = command.get_command(context, below)
        assert child is not None
        found |= leaves(child, f"{name} {below}")
    return found


COMMANDS = leaves(commands, "thingstead")


def test_every_setting_stands_in_the_table_as_the_server_has_it() -> None:
    rows = table_rows("configuration.md", r"[a-z_.]+")
    assert list(rows) == list(SETTINGS)
    for name, setting in SETTINGS.items():
        default = ", ".join(setting.default) if isinstance(setting.default, tuple) else str(setting.default)
        assert rows[name] == [f"`{default}`" if default else "none", setting.unit, setting.description], name


def test_every_variable_that_the_page_names_exists() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    known = {setting.variable for setting in SETTINGS.values()} | {"THINGSTEAD_CONFIG"}
    refused = {"THINGSTEAD_PORT"}  # named as one that is refused
    assert set(re.findall(r"THINGSTEAD_[A-Z_]+[A-Z]", text)) <= known | refused


def test_every_command_stands_in_the_table() -> None:
    rows = table_rows("cli.md", r"thingstead [a-z -]+")
    assert set(rows) == {*COMMANDS, "thingstead --version"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_chapter(name: str) -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    chapters = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    heading = next((title for title in chapters if f"thingstead {title}" == name), name.split()[1])
    text = chapters.get(heading, page)
    options = {
        option.upper() if isinstance(parameter, click.Argument) else option
        for parameter in COMMANDS[name].params
        for option in parameter.opts
    }
    everywhere = {"--config", "--data-dir", "--database"}  # said once, above the chapters
    assert [option for option in sorted(options - everywhere) if option not in text] == []


def test_every_option_that_the_page_names_exists() -> None:
    options = {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"--[a-z][a-z-]*", page)) <= options | {"--help", "--version"}


def test_every_exit_code_is_in_the_table() -> None:
    assert set(re.findall(r"^\| (\d) \|", (DOCS / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)) == {
        "0",
        "1",
        "2",
    }


def test_every_metric_stands_in_the_table() -> None:
    rows = table_rows("metrics.md", r"thingstead_\w+")
    assert list(rows) == list(CATALOG)
    for name, info in CATALOG.items():
        assert rows[name] == [info.kind, ", ".join(f"`{label}`" for label in info.labels), info.description], name


async def test_every_metric_of_the_catalog_is_served(server: Server) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.http_port}", trust_env=False) as client:
        await client.get("/healthz")
        text = (await client.get("/metrics")).text
    assert set(re.findall(r"^# TYPE (thingstead_\w+)", text, re.MULTILINE)) == set(CATALOG)


async def test_every_route_is_in_the_openapi_document(server: Server) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.http_port}", trust_env=False) as client:
        document = (await client.get("/openapi.json")).json()
    for endpoint in ENDPOINTS:
        assert endpoint.method.lower() in document["paths"][endpoint.path], endpoint.path


def test_every_topic_of_the_gateway_is_in_the_table_of_the_device_guide_and_no_other() -> None:
    broker = Path(__file__).resolve().parents[2] / "src" / "thingstead" / "broker"
    source = "".join(path.read_text(encoding="utf-8") for path in broker.rglob("*.py"))
    served = set(re.findall(r'"((?:attributes|event|command|data|gateway)(?:/[a-z]+)+)(?=/?["{])', source))
    chapter = (DOCS / "device.md").read_text(encoding="utf-8").split("## Topics")[1].split("\n## ")[0]
    rows = "".join(line for line in chapter.splitlines() if line.startswith("| "))
    documented = {topic.rstrip("/") for topic in re.findall(r"`([a-z]+/[a-z/]+)(?=<|`)", rows)}
    assert served == documented
    assert "attributes/push" in served


def test_every_setting_is_used() -> None:
    package = Path(__file__).resolve().parents[2] / "src" / "thingstead"
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.parent.name != "config")
    source = source.replace(".data_path", ".data_dir")  # its value as a Path
    source += inspect.getsource(Config)  # which puts settings of ports together
    assert [name for name in SETTINGS if f".{name.rpartition('.')[2]}" not in source] == []
