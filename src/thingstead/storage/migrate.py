"""Numbered migrations of a schema: ``0001_registry.sql``, ``0002_….sql``, each applied once, in order."""

import re
from importlib.resources import files
from typing import NamedTuple

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")


class Migration(NamedTuple):
    """One migration file: its number, which is the schema version after it, and its statements."""

    version: int
    file_name: str
    sql: str


def load_migrations(package: str) -> list[Migration]:
    """Migrations in the folder ``sql`` of a package, in order. Raises ValueError if they are not numbered from 1
    without gaps."""
    found = []
    for entry in (files(package) / "sql").iterdir():
        match = _FILE_NAME.match(entry.name)
        if match is not None:
            found.append(Migration(int(match[1]), entry.name, entry.read_text("utf-8")))
    found.sort()
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(found) + 1)):
        raise RuntimeError(f"the migrations of {package} are not numbered 1, 2, 3…: {versions}")
    return found
