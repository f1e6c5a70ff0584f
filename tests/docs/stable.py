"""What others rely on, by name: ``stable.json`` is that of the last release, from which nothing may go without a word.

``python -m tests.docs.stable`` writes it anew, when a release is made (docs/release.md).
"""

import json
from pathlib import Path

import click

from tests.docs.test_reference import COMMANDS
from thingstead import client
from thingstead.api.routes import ENDPOINTS
from thingstead.config import SETTINGS
from thingstead.metrics import CATALOG
from thingstead.refusals import TEXTS

FILE = Path(__file__).with_name("stable.json")


def surface() -> dict[str, list[str]]:
    """Names by kind, in order."""
    options = {
        f"{name} {option}"
        for name, command in COMMANDS.items()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    found = {
        "endpoints": {f"{each.method} {each.path}" for each in ENDPOINTS if not each.extension},
        "extensions": {f"{each.method} {each.path}" for each in ENDPOINTS if each.extension},
        "codes": set(TEXTS),
        "settings": set(SETTINGS),
        "commands": {*COMMANDS, *options},
        "metrics": {f"{name}{{{','.join(metric.labels)}}}" for name, metric in CATALOG.items()},
        "client": set(client.__all__),
    }
    return {kind: sorted(names) for kind, names in found.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(surface(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
