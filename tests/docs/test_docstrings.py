"""Whatever has a name for others is described where it stands, or where its name is first given."""

import ast
import asyncio
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import httpcore
from psycopg.adapt import Dumper
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SOURCES = Path(__file__).resolve().parents[2] / "src" / "thingstead"
# What these call is described by them.
LIBRARIES = (asyncio.Protocol, asyncio.Transport, HttpToolsProtocol, httpcore.AsyncNetworkBackend, Dumper)
CALLBACKS = {name for kind in (*LIBRARIES, click.Group, click.ParamType) for name in dir(kind)}


class Definition(NamedTuple):
    """A class, function or method that others use."""

    where: str
    name: str
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    is_method: bool

    @property
    def described(self) -> bool:
        return ast.get_docstring(self.node) is not None


@functools.cache
def definitions() -> list[Definition]:
    return [
        found
        for path in sorted(SOURCES.rglob("*.py"))
        for found in _below(
            ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(SOURCES)), is_method=False
        )
    ]


def _below(tree: ast.AST, where: str, *, is_method: bool) -> Iterator[Definition]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        yield Definition(where, node.name, node, is_method)
        if isinstance(node, ast.ClassDef):
            yield from _below(node, where, is_method=True)


def test_every_public_class_and_function_is_described() -> None:
    assert [each[:2] for each in definitions() if not each.is_method and not each.described] == []


def test_every_public_method_is_described_here_or_where_its_name_is_first_given() -> None:
    """A name means the same wherever it is: what a Protocol describes, its implementations need not."""
    described = {each.name for each in definitions() if each.described}
    known = described | CALLBACKS
    missing = [
        f"{each.where}: {each.name}"
        for each in definitions()
        if each.name not in known and not (isinstance(each.node, ast.FunctionDef) and _tells(each.node, described))
    ]
    assert missing == []


def _tells(node: ast.FunctionDef, described: set[str]) -> bool:
    """Whether it only gives an object whose class is described."""
    return isinstance(node.returns, ast.Name) and node.returns.id in described and len(node.args.args) == 1
