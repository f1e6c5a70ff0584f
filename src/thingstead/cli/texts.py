"""What people read on their terminal."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from thingstead.config import Config
from thingstead.services.notifications.audit import StoppedChannel
from thingstead.services.registry.projects import Credentials


def credentials_json(credentials: Credentials) -> str:
    """Credentials as a JSON object on one line, with the members of :class:`Credentials`."""
    return msgspec.json.encode(credentials).decode()


# What each credential is for, in the order in which they are needed.
PURPOSES = (
    ("People: account and password of the console", ("admin_account", "admin_password")),
    ("Devices: password on MQTT, header Project-Key over HTTP", ("project_key",)),
    ("Programs that call the Project API: POST /api/v1/access_token", ("app_id", "access_key", "secret_key")),
    ("Programs that subscribe to live values: user name and password", ("view_key", "view_secret")),
    ("The project", ("project_id",)),
)


def credentials_table(credentials: Credentials) -> str:
    """Credentials as a table by what they are for, one line for each member."""
    members = msgspec.structs.asdict(credentials)
    return "\n".join(
        f"{purpose}\n" + "".join(f"  {name:<15} {members[name]}\n" for name in names) for purpose, names in PURPOSES
    ).rstrip("\n")


def stopped_text(stopped: Sequence[StoppedChannel]) -> str:
    """Message about channels that are closed to private addresses."""
    lines = [f"  project {each.project_id}, {each.owner}: {each.kind} {each.target}" for each in stopped]
    return (
        "With several projects nothing is sent to private addresses any more unless notify.private_addresses is true."
        " This stops:\n" + "\n".join(lines)
    )


def reachable(host: str) -> str:
    """Host name under which this machine can reach a server that listens on ``host``."""
    return "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound


def console_address(config: Config, http_port: int) -> str:
    """URL of the console, as far as the server knows it."""
    public = config.public.http()
    if public is not None:
        return f"{config.public.http_address.rstrip('/')}/console/"
    return f"{_server(config.host, http_port)}/console/"


def _server(host: str, http_port: int) -> str:
    name = reachable(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{http_port}"


def quick_start(credentials: Credentials, host: str, http_port: int) -> str:
    """Shell lines that create a device, report as that device, and read the report, using curl only. Each line uses
    variables of earlier ones; there are no comments, because not every interactive shell understands them."""
    server = _server(host, http_port)
    api = f"{server}/api/v1"
    keys = json.dumps({key: getattr(credentials, key) for key in ("app_id", "access_key", "secret_key")})
    body = "-H 'Content-Type: application/json' -d"
    bearer = '-H "Authorization: Bearer $TOKEN"'
    return "\n".join(
        (
            f"TOKEN=$(curl -s {api}/access_token {body} '{keys}' | {_member('access_token')})",
            f'DEVICE=$(curl -s {api}/device {bearer} {body} \'{{"name": "First device"}}\' | {_member("id")})',
            f"ACCESS_TOKEN=$(curl -s {api}/device/$DEVICE/certificate {bearer} | {_member('access_token')})",
            f"curl -s {server}/device/v1/$ACCESS_TOKEN/attributes -H 'Project-Key: {credentials.project_key}'"
            " -d '{\"temperature\": 21.5}'; echo",
            f"curl -s {api}/device/$DEVICE/attributes {bearer}",
        )
    )


def _member(name: str) -> str:
    """Shell command that prints one member of a JSON object from standard input, with standard tools only."""
    return f'sed \'s/.*"{name}": *"\\([^"]*\\)".*/\\1/\''


def console_line(credentials: Credentials, address: str) -> str:
    """Message that tells how to open the console for the first time."""
    return f"Console: {address}  account {credentials.admin_account}  password {credentials.admin_password}"


def kept_in(path: Path, credentials: Credentials, address: str, kept: str = "data folder") -> str:
    """Message of ``serve`` if standard output is not a terminal: it may be a log that others read."""
    return (
        f"Console: {address}  account {credentials.admin_account}  password: admin_password in {path.absolute()}\n"
        f"A new {kept} was initialized. Its credentials are in {path.absolute()}, readable by its owner only.\n"
        "Store them elsewhere, then remove the file."
    )


def welcome(credentials: Credentials, host: str, http_port: int, console: str, kept: str = "data folder") -> str:
    """Message that ``serve`` prints once, after it has initialized a folder."""
    lines = quick_start(credentials, host, http_port)
    return (
        f"\nA new {kept} was initialized. Store these credentials; they are shown only once:\n\n"
        f"{credentials_table(credentials)}\n\n"
        f"{console_line(credentials, console)}\n\n"
        "To try it, paste these lines into another shell. They log in, create a device, report a temperature as\n"
        "that device, and read it back:\n\n"
        f"{lines}\n"
    )
