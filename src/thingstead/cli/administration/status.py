"""``thingstead status``."""

import asyncio
from pathlib import Path
from typing import Any

import click

from thingstead import __version__
from thingstead.cli.administration.health import ask_node, ask_server
from thingstead.cli.administration.operator import print_facts
from thingstead.cli.options import command_config, config_option, data_options, json_option
from thingstead.config import Config
from thingstead.errors import Unavailable
from thingstead.server import opening
from thingstead.server.folder import DataFolder
from thingstead.server.local.calls import NodeState

NOT_RUNNING = 1


@click.command("status")
@data_options
@config_option
@json_option
@click.pass_context
def command(context: click.Context, /, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Show whether a server runs, and its state. Of a database its nodes are shown, too.

    The exit code is 0 if it runs and can store data, or stands by; otherwise 1.
    """
    config = command_config(file, **flags)
    node = ask_node(config) if config.database else None
    if config.database and (node is None or node.state != "active"):
        print_facts(_facts_of_node(config, node), as_json=as_json)
        context.exit(0 if node is not None and not node.trouble else NOT_RUNNING)
    running = ask_server(config)
    if running is None:
        state = "stopped" if DataFolder(config.data_path).initialized else "not initialized"
        print_facts({"state": state, "data_dir": str(config.data_path), "release": __version__}, as_json=as_json)
        context.exit(NOT_RUNNING)
    server = running.server
    facts = {
        "state": "running" if node is None else node.state,
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
        **(_nodes(config) if node is not None else {}),
    }
    print_facts(facts, as_json=as_json)
    if server.trouble:
        context.exit(NOT_RUNNING)


def _facts_of_node(config: Config, node: NodeState | None) -> dict[str, Any]:
    return {
        "state": "stopped" if node is None else node.state,
        "data_dir": str(config.data_path),
        "release": __version__,
        "trouble": "" if node is None else node.trouble,
        **_nodes(config),
    }


def _nodes(config: Config) -> dict[str, Any]:
    """The nodes of the database; if it cannot be asked, why."""
    try:
        rows = asyncio.run(opening().list_database_nodes(config))
    except Unavailable as exc:
        return {"nodes": [], "database": exc.message}
    return {
        "nodes": [
            {
                "name": row.name,
                "address": row.address,
                "release": row.version,
                "state": "active" if row.active else "standby",
                "silent_ms": row.silent_ms,
            }
            for row in rows
        ]
    }
