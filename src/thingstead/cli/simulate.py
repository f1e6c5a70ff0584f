"""``thingstead simulate``: a fleet of simulated devices, against any server."""

import asyncio
import json
import signal
import ssl
from typing import IO, Any

import click
import msgspec
import uvloop

from thingstead.cli.instants import SPAN
from thingstead.client.http import Origin
from thingstead.client.mqtt_session import Broker
from thingstead.client.projects import ApplicationKeys, AsyncProjectClient
from thingstead.client.simulation.fleet import Fleet, Plan
from thingstead.errors import Unavailable

PROGRESS_S = 5.0
ANSWER_S = 15.0  # within which at least one device must be connected
KEYS = ("app_id", "access_key", "secret_key")


@click.command("simulate")
@click.option("--url", default="http://localhost:8080", show_default=True, help="The server's HTTP address.")
@click.option("--mqtt-host", help="The host of its MQTT port.  [default: that of --url]")
@click.option("--mqtt-port", type=click.IntRange(1, 65_535), help="Its MQTT port.  [default: 1883, 8883 with TLS]")
@click.option("--mqtt-tls", is_flag=True, help="Connect devices over TLS.")
@click.option(
    "--credentials", type=click.File(), help="A file with the JSON that `thingstead init --json` prints; - is stdin."
)
@click.option("--app-id", envvar="APP_ID", show_envvar=True, help="AppID of an application.")
@click.option("--access-key", envvar="ACCESS_KEY", show_envvar=True, help="Its AccessKey.")
@click.option("--secret-key", envvar="SECRET_KEY", show_envvar=True, help="Its SecretKey.")
@click.option("--devices", type=click.IntRange(0, 100_000), default=10, show_default=True, help="Direct devices.")
@click.option("--gateways", type=click.IntRange(0, 1_000), default=0, show_default=True, help="Gateways.")
@click.option(
    "--sub-devices", type=click.IntRange(0, 1_000), default=5, show_default=True, help="Devices behind each gateway."
)
@click.option(
    "--interval", type=click.FloatRange(0.01, 86_400), default=10.0, show_default=True, help="Seconds between reports."
)
@click.option("--duration", type=click.FloatRange(0), help="Seconds until it ends.  [default: until it is interrupted]")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the signals; the same seed gives the same values."
)
@click.option("--history", type=SPAN, default="0", help="Fill the time before now first: 7d, 12h, 30m.")
@click.option("--faults", is_flag=True, help="Now and then a late, a repeated, or a wrong report, on purpose.")
@click.option("--remove", is_flag=True, help="Delete the simulated devices of the project, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(url: str, credentials: IO[str] | None, as_json: bool, duration: float | None, **options: Any) -> None:
    """Run simulated devices against a server. They are registered first, and connect over MQTT.

    The devices are thermometers and pumps, and gateways with electricity meters. They report, accept pushes and reply
    to commands. Starting the same fleet again uses the existing devices.
    """
    keys = _keys(credentials, options)
    host = options["mqtt_host"] or Origin.parse(url).host
    tls = ssl.create_default_context() if options["mqtt_tls"] else None
    broker = Broker(host, options["mqtt_port"] or (8883 if tls else 1883), tls)
    plan = Plan(
        devices=options["devices"],
        gateways=options["gateways"],
        sub_devices=options["sub_devices"],
        interval_s=options["interval"],
        seed=options["seed"],
        history_s=options["history"],
        faults=options["faults"],
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options["remove"]:
            counts = {"removed devices": runner.run(_remove(url, keys, broker))}
        else:
            counts = runner.run(_simulate(url, keys, broker, plan, duration))
    click.echo(json.dumps(counts) if as_json else _told(counts))


def _keys(credentials: IO[str] | None, options: dict[str, Any]) -> ApplicationKeys:
    """The application's keys, from the file or the options."""
    given = {name: options[name] for name in KEYS}
    if credentials is not None:
        try:
            kept = msgspec.json.decode(credentials.read(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise click.UsageError("--credentials: is not the JSON object that thingstead init --json prints") from exc
        given = {name: kept.get(name) for name in KEYS}
    missing = [name for name in KEYS if not isinstance(given[name], str) or not given[name]]
    if missing:
        raise click.UsageError(f"{', '.join(missing)} missing: give --credentials, or the three keys of an application")
    return ApplicationKeys(**given)


async def _simulate(
    url: str, keys: ApplicationKeys, broker: Broker, plan: Plan, duration: float | None
) -> dict[str, int]:
    """Runs a fleet for a time or until a signal. Returns its counts."""
    async with AsyncProjectClient(url, keys) as api:
        fleet = Fleet(api, broker, plan)
        await fleet.register()
        running = asyncio.ensure_future(fleet.run(duration))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        telling = asyncio.ensure_future(_tell(fleet))
        unanswered = plan.devices + plan.gateways > 0
        await asyncio.wait([running], timeout=ANSWER_S)
        unanswered = unanswered and not fleet.counts["connections"] and fleet.counts["failed connections"] > 0
        if unanswered:
            running.cancel()
        await asyncio.wait([running])
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        if unanswered:
            raise Unavailable("no_answer", detail=f"no device could connect to {broker.host}:{broker.port}")
        if not running.cancelled():
            await running
        return dict(fleet.counts)


async def _remove(url: str, keys: ApplicationKeys, broker: Broker) -> int:
    async with AsyncProjectClient(url, keys) as api:
        return await Fleet(api, broker, Plan(devices=0)).remove()


async def _tell(fleet: Fleet) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        click.echo(_told(fleet.counts), err=True)


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing yet"
