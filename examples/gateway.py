"""A gateway with electricity meters behind it: polls them, reports for all in one message, passes commands on."""

import argparse
import asyncio
import os
import random

from thingstead_client import Broker, Certificate, MqttGateway, ReceivedCommand
from thingstead_client.errors import ThingsteadError


class Meter:
    """A meter on the gateway's field bus."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.energy = random.uniform(100, 9_000)
        self.relay = True

    def poll(self) -> dict[str, float | bool]:
        """What the meter says when it is asked over the bus."""
        power = random.uniform(200, 900) if self.relay else 0.0
        self.energy += power / 3_600_000
        return {"power": round(power), "energy": round(self.energy, 3), "relay": self.relay}

    def run(self, command: ReceivedCommand) -> dict[str, bool]:
        """A command that came from the cloud for this meter; what is returned is its reply."""
        print(f"{self.address} {command.method} {command.params}", flush=True)
        self.relay = command.method != "disconnect"
        return {"relay": self.relay}


async def run(gateway: MqttGateway, meters: list[Meter], type_key: str, interval_s: float, count: int) -> None:
    """Reports until it is interrupted, or as often as it was told."""
    for meter in meters:
        # A meter that the server does not know is created with this type, if the type has auto-create.
        await gateway.sub_device(meter.address, command=meter.run).connect(type_key=type_key)
    reported = 0
    while not count or reported < count:
        for reason in await gateway.report_all({meter.address: meter.poll() for meter in meters}):
            print(f"refused: {reason}", flush=True)
        reported += 1
        print(f"reported {reported}", flush=True)
        await asyncio.sleep(interval_s)


async def main() -> None:
    """Connects the gateway, and keeps it connected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=os.environ.get("MQTT_HOST", "localhost"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("MQTT_PORT", "1883")))
    parser.add_argument("--access-token", default=os.environ.get("ACCESS_TOKEN"))
    parser.add_argument("--project-key", default=os.environ.get("PROJECT_KEY"))
    parser.add_argument("--meters", default="1,2", help="the sub-addresses of the meters")
    parser.add_argument("--meter-type", default=os.environ.get("METER_TYPE", ""), help="TypeKey of meters that are new")
    parser.add_argument("--interval", type=float, default=10, help="seconds between two reports")
    parser.add_argument("--count", type=int, default=0, help="how many reports; 0 goes on for ever")
    arguments = parser.parse_args()
    if not arguments.access_token or not arguments.project_key:
        parser.error("--access-token and --project-key are needed")

    certificate = Certificate(arguments.access_token, arguments.project_key)
    meters = [Meter(address) for address in arguments.meters.split(",")]
    try:
        async with MqttGateway(certificate, Broker(arguments.host, arguments.port)) as gateway:
            print("connected", flush=True)
            await run(gateway, meters, arguments.meter_type, arguments.interval, arguments.count)
    except ThingsteadError as exc:
        raise SystemExit(f"{type(exc).__name__}: {exc}") from exc


if __name__ == "__main__":
    asyncio.run(main())
