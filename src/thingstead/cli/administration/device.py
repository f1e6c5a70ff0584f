"""``thingstead device``."""

from typing import Any

import click

from thingstead.cli.administration.operator import LIST_LIMIT, Operator, operated, print_facts, print_rows, segment
from thingstead.cli.commands import Group


@click.group("device", cls=Group)
def command() -> None:
    """Devices of a project. The server may be running.

    \b
    thingstead device create --name "pump 7"
    thingstead device list --keyword pump --json
    """


@command.command("list")
@click.option("--keyword", help="Part of a name, DeviceKey, id or device code.")
@click.option("--type", "type_id", help="Id of a device type.")
@click.option("--online/--offline", default=None, help="Only devices with or without a live session.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=LIST_LIMIT, show_default=True, help="Most rows.")
@operated
def list_devices(
    operator: Operator, keyword: str | None, type_id: str | None, online: bool | None, limit: int, *, as_json: bool
) -> None:
    """List devices, newest first."""
    live = None if online is None else str(int(online))
    rows = operator.items("/devices", limit, keyword=keyword, type=type_id, online=live)
    print_rows(rows, ("id", "name", "device_key", "online"), as_json=as_json)


@command.command("show")
@click.argument("device_id")
@operated
def show(operator: Operator, device_id: str, *, as_json: bool) -> None:
    """Show the device DEVICE_ID."""
    print_facts(operator.call("GET", f"/device/{segment(device_id)}"), as_json=as_json)


@command.command("create")
@click.option("--name", required=True, help="The device's name.")
@click.option("--type", "type_id", help="Id of its device type.")
@click.option("--device-key", help="Its DeviceKey.")
@operated
def create(operator: Operator, name: str, type_id: str | None, device_key: str | None, *, as_json: bool) -> None:
    """Create a device and print its certificate."""
    body: dict[str, Any] = {"name": name}
    if type_id is not None:
        body["type"] = type_id
    if device_key is not None:
        body["device_key"] = device_key
    made = operator.call("POST", "/device", body)
    certificate = operator.call("GET", f"/device/{segment(made['id'])}/certificate")
    print_facts({"id": made["id"], "name": name, **certificate}, as_json=as_json)


@command.command("certificate")
@click.argument("device_id")
@operated
def certificate(operator: Operator, device_id: str, *, as_json: bool) -> None:
    """Print the certificate of the device DEVICE_ID."""
    print_facts(operator.call("GET", f"/device/{segment(device_id)}/certificate"), as_json=as_json)


@command.command("reset")
@click.argument("device_id")
@operated
def reset(operator: Operator, device_id: str, *, as_json: bool) -> None:
    """Replace the certificate of the device DEVICE_ID. The new one is printed; the old one ends at once."""
    print_facts(operator.call("POST", f"/device/{segment(device_id)}/certificate_reset"), as_json=as_json)


@command.command("delete")
@click.argument("device_id")
@click.confirmation_option("--yes", prompt="Delete the device with its history?", help="Do not ask.")
@operated
def delete(operator: Operator, device_id: str, *, as_json: bool) -> None:
    """Delete the device DEVICE_ID with its history."""
    operator.call("DELETE", f"/device/{segment(device_id)}")
    print_facts({"id": device_id}, as_json=as_json)
