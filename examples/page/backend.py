"""The back end of a page that shows one device live: serves the page, and gives it a token for that device and an hour.

The keys of the application stay here. Whoever may open the page may see the device: a real back end lets people log in
first, and chooses the devices by who asks."""

import argparse
import json
import os
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from thingstead_client import ApplicationKeys, ProjectClient
from thingstead_client.errors import ThingsteadError

HERE = Path(__file__).resolve().parent
CLIENT = HERE.parents[1] / "clients" / "javascript"
FILES = {"/": HERE / "index.html", "/page.js": HERE / "page.js"} | {
    f"/client/{file.name}": file for file in CLIENT.glob("*.js")
}
BODY_BYTES = 1_000


class Handler(SimpleHTTPRequestHandler):
    """Answers the page's requests; ``server`` is a :class:`Backend`."""

    server: "Backend"

    def do_GET(self) -> None:
        """The files of the page, and its token."""
        if self.path == "/token":
            self.answer(self.server.token)
        elif self.path in FILES:
            kind = "text/html" if self.path == "/" else "text/javascript"
            self.send(200, FILES[self.path].read_bytes(), f"{kind}; charset=utf-8")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """A push to the device: what the page may change is decided here, not by the page."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_BYTES))
        if self.path == "/relay" and body in (b"true", b"false"):
            self.answer(lambda: self.server.push({"relay": body == b"true"}))
        else:
            self.send_error(404)

    def answer(self, make: Any) -> None:
        try:
            self.send(200, json.dumps(make()).encode(), "application/json")
        except ThingsteadError as exc:
            self.send(502, json.dumps({"message": exc.message}).encode(), "application/json")

    def send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


class Backend(ThreadingHTTPServer):
    """Knows the server, the keys and the device."""

    def __init__(self, port: int, url: str, api: ProjectClient, device: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.url = url
        self.api = api
        self.device = device

    def token(self) -> dict[str, Any]:
        """Everything that the page needs to show the device, for an hour."""
        made = self.api.scoped_tokens.create(
            devices=[self.device], topics=["attributes", "online"], reads=["attributes"], expires_in_s=3600
        )
        return {"url": self.url, "device": self.device, "view_key": made.view_key, "token": made.token}

    def push(self, attributes: dict[str, Any]) -> dict[str, Any]:
        self.api.control.push_attributes(self.device, attributes)
        return {}


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("THINGSTEAD", "http://localhost:8080"), help="of Thingstead")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")), help="of the page")
    parser.add_argument("--device", required=True, help="id of the device")
    arguments = parser.parse_args()
    try:
        keys = ApplicationKeys(*(os.environ[name] for name in ("APP_ID", "ACCESS_KEY", "SECRET_KEY")))
    except KeyError as exc:
        parser.error(f"{exc.args[0]} is needed in the environment")
    with ProjectClient(arguments.url, keys) as api, Backend(arguments.port, arguments.url, api, arguments.device) as it:
        try:
            print(f"{api.devices.read(arguments.device).name}: http://localhost:{it.server_port}", flush=True)
        except ThingsteadError as exc:
            raise SystemExit(f"{type(exc).__name__}: {exc}") from exc
        it.serve_forever()


if __name__ == "__main__":
    main()
