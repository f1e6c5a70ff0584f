"""A back end: lists devices with their values, pushes a value, sends a command."""

import argparse
import json
import os

from thingstead_client import ApplicationKeys, ProjectClient
from thingstead_client.errors import ThingsteadError


def show(api: ProjectClient) -> None:
    """Prints every device with its current values."""
    for device in api.devices.search():
        attributes = api.data.attributes(device.id)
        values = ", ".join(f"{item.identifier}={json.dumps(item.value)}" for item in attributes)
        print(f"{device.id}  {'online ' if device.online else 'offline'}  {device.name}  {values}")


def main() -> None:
    """Shows the devices, or talks to one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("THINGSTEAD", "http://localhost:8080"))
    for name in ("app-id", "access-key", "secret-key"):
        parser.add_argument(f"--{name}", default=os.environ.get(name.upper().replace("-", "_")))
    parser.add_argument("--device", help="id of the device to talk to")
    parser.add_argument("--push", metavar="NAME=JSON", help="an attribute to push")
    parser.add_argument("--command", metavar="METHOD", help="a command to send")
    parser.add_argument("--params", type=json.loads, default={}, help="parameters of the command, as JSON")
    arguments = parser.parse_args()
    if not (arguments.app_id and arguments.access_key and arguments.secret_key):
        parser.error("--app-id, --access-key and --secret-key are needed")
    if (arguments.push or arguments.command) and not arguments.device:
        parser.error("--push and --command need --device")

    keys = ApplicationKeys(arguments.app_id, arguments.access_key, arguments.secret_key)
    try:
        with ProjectClient(arguments.url, keys) as api:
            if arguments.push:
                name, _, value = arguments.push.partition("=")
                api.control.push_attributes(arguments.device, {name: json.loads(value)})
            if arguments.command:
                api.control.send_command(arguments.device, arguments.command, arguments.params)
            show(api)
    except ThingsteadError as exc:
        raise SystemExit(f"{type(exc).__name__}: {exc}") from exc


if __name__ == "__main__":
    main()
