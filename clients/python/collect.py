"""Collects the files of the client's wheel: the package thingstead.client, and every module of ours that it imports,
with the name thingstead_client in place of thingstead."""

import ast
import re
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path(__file__).resolve().parents[2] / "src"
OURS, CLIENT = "thingstead", "thingstead_client"
STARTS = ("thingstead.client", "thingstead.client.frames")
FILES_BESIDE = {"thingstead.refusals": "refusals.json"}
_NAME = re.compile(r"\bthingstead(?=\.[a-z])")


class Collect(BuildHookInterface[Any]):
    """Gives the collected files to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.directory) / "collected"
        shutil.rmtree(folder, ignore_errors=True)
        write(folder)
        build_data["force_include"][str(folder / CLIENT)] = CLIENT

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(Path(self.directory) / "collected", ignore_errors=True)


def needed() -> dict[str, Path]:
    """The modules that the client consists of, by their names in the sources."""
    found: dict[str, Path] = {}
    waiting = list(STARTS)
    while waiting:
        name = waiting.pop()
        file = _file_of(name)
        if file is None or name in found:
            continue
        found[name] = file
        waiting += [name.rpartition(".")[0], *_imports(file)]
    return found


def write(folder: Path) -> None:
    """Writes the package into a folder."""
    modules = needed()
    for name, file in modules.items():
        if name == OURS:
            continue
        relative = Path(CLIENT, *name.split(".")[1:])
        target = folder / (relative / "__init__.py" if file.name == "__init__.py" else relative.with_suffix(".py"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_NAME.sub(CLIENT, file.read_text(encoding="utf-8")), encoding="utf-8")
        if name in FILES_BESIDE:
            shutil.copyfile(file.with_name(FILES_BESIDE[name]), target.with_name(FILES_BESIDE[name]))
    facade = (SOURCES / CLIENT / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = ".*"$', modules[OURS].read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    without = facade.replace(f"from {OURS} import __version__\n", "")
    (folder / CLIENT / "__init__.py").write_text(f"{_NAME.sub(CLIENT, without)}\n{version[0]}\n", encoding="utf-8")
    (folder / CLIENT / "py.typed").touch()


def _file_of(name: str) -> Path | None:
    path = SOURCES.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _imports(file: Path) -> list[str]:
    """Names of ours that a module imports, and of what it imports from them, which may be modules too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == OURS]
