"""A back end with nothing but Python: lists devices with their values, pushes a value, sends a command."""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any


class ProjectApi:
    """A caller of the Project API."""

    def __init__(self, url: str, app_id: str, access_key: str, secret_key: str) -> None:
        self._url = url.rstrip("/") + "/api/v1"
        self._token = ""
        credentials = {"app_id": app_id, "access_key": access_key, "secret_key": secret_key}
        self._token = self.call("POST", "/access_token", credentials)["access_token"]  # good for a day

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """``info`` of the answer; a failure ends the program with the server's message."""
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = json.load(answer)
        except urllib.error.HTTPError as exc:
            raise SystemExit(f"{method} {path}: {exc.code} {exc.read().decode()}") from exc
        if content["result"] is not True:
            raise SystemExit(f"{method} {path}: {content['errcode']} {content['message']}")
        return content["info"]

    def devices(self) -> Iterator[dict[str, Any]]:
        """All devices of the project, page by page."""
        page, pages = 1, 1
        while page <= pages:
            info = self.call("GET", f"/devices?page={page}&page_records=100")
            yield from info["items"]
            page, pages = page + 1, info["page_total"]


def show(api: ProjectApi) -> None:
    """Prints every device with its current values."""
    for device in api.devices():
        attributes = api.call("GET", f"/device/{device['id']}/attributes")
        values = ", ".join(f"{item['identifier']}={json.dumps(item['value'])}" for item in attributes)
        print(f"{device['id']}  {'online ' if device['online'] else 'offline'}  {device['name']}  {values}")


def main() -> None:
    """Shows the devices, or talks to one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8080")
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

    api = ProjectApi(arguments.url, arguments.app_id, arguments.access_key, arguments.secret_key)
    if arguments.push:
        name, _, value = arguments.push.partition("=")
        api.call("POST", f"/control/device/{arguments.device}/attributes", {name: json.loads(value)})
    if arguments.command:
        command = {"method": arguments.command, "params": arguments.params}
        api.call("POST", f"/control/device/{arguments.device}/command", command)
    show(api)


if __name__ == "__main__":
    main()
