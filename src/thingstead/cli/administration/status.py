"""``thingstead status``."""

from pathlib import Path
from typing import Any

import click

from thingstead import __version__
from thingstead.cli.administration.health import ask_server
from thingstead.cli.administration.operator import print_facts
from thingstead.cli.options import command_config, config_option, data_dir_option, json_option
from thingstead.server.folder import DataFolder

NOT_RUNNING = 1


@click.command("status")
@data_dir_option
@config_option
@json_option
@click.pass_context
def command(context: click.Context, /, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Show whether a server runs on the data folder, and its state.

    The exit code is 0 if it runs and can store data, otherwise 1.
    """
    config = command_config(file, **flags)
    running = ask_server(config)
    if running is None:
        state = "stopped" if DataFolder(config.data_path).initialized else "not initialized"
        print_facts({"state": state, "data_dir": str(config.data_path), "release": __version__}, as_json=as_json)
        context.exit(NOT_RUNNING)
    server = running.server
    facts = {
        "state": "running",
        "data_dir": str(config.data_path),
        "release": server.version,
        "uptime_s": server.uptime_s,
        "ports": {port.setting: port.port for port in server.ports},
        "projects": len(running.projects),
        "devices": sum(project.devices for project in running.projects),
        "online": sum(project.online for project in running.projects),
        "data_bytes": server.data_bytes,
        "disk_free_bytes": server.disk_free_bytes,
        "memory_bytes": server.memory_bytes,
        "trouble": server.trouble,
        "warnings": [warning.code for warning in server.warnings],
    }
    print_facts(facts, as_json=as_json)
    if server.trouble:
        context.exit(NOT_RUNNING)
