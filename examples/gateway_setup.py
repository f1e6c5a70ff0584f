"""Sets up a site for gateway.py: the device types with their functions, a group, and the gateway. Can be run again.

Prints what the gateway needs as lines of an environment file."""

import os
from typing import Literal

from thingstead_client import ApplicationKeys, ProjectClient
from thingstead_client.errors import ThingsteadError

GATEWAY = "Meter gateway"
METER = "Electricity meter"
GATEWAY_KEY = "meters-hall-1"
SITE = "Hall 1"
METER_FUNCTIONS = {
    "attributes": [
        {"identifier": "power", "name": "Power", "data_type": "number", "data_options": {"unit": "W"}},
        {"identifier": "energy", "name": "Energy", "data_type": "number", "data_options": {"unit": "kWh"}},
        {"identifier": "relay", "name": "Relay", "data_type": "switch", "attr_type": "both"},
    ],
    "commands": [{"identifier": "disconnect", "name": "Disconnect"}, {"identifier": "reconnect", "name": "Reconnect"}],
}
RULE = {
    "name": "A meter is overloaded",
    "raise": {"attribute": "power", "op": ">", "value": 850},
    "raise_delay_ms": 60_000,
}


def device_type(api: ProjectClient, name: str, conn_type: Literal["2", "3"], auto_create: bool) -> tuple[str, str]:
    """Id and TypeKey of the type with this name; it is created if there is none."""
    found = [each for each in api.device_types.list_all(keyword=name).items if each.name == name]
    if found:
        detail = api.device_types.read(found[0].id)
        return detail.id, detail.type_key
    created = api.device_types.create(name, conn_type=conn_type, auto_create=auto_create)
    return created.id, created.type_key


def main() -> None:
    """Creates what is missing."""
    keys = ApplicationKeys(*(os.environ[name] for name in ("APP_ID", "ACCESS_KEY", "SECRET_KEY")))
    with ProjectClient(os.environ.get("THINGSTEAD", "http://localhost:8080"), keys) as api:
        gateway_type, _ = device_type(api, GATEWAY, "3", auto_create=False)
        meter_type, meter_key = device_type(api, METER, "2", auto_create=True)
        api.device_types.put_functions(meter_type, METER_FUNCTIONS)
        found = [each for each in api.devices.search(keyword=GATEWAY_KEY) if each.device_key == GATEWAY_KEY]
        gateway = found[0].id if found else api.devices.create(GATEWAY, type=gateway_type, device_key=GATEWAY_KEY).id
        if not found:
            site = api.device_groups.create(SITE)
            api.device_groups.add_devices(site.id, [gateway])
            api.alarm_rules.create({**RULE, "type": meter_type})
        certificate = api.devices.certificate(gateway)
    print(f"ACCESS_TOKEN={certificate.access_token}")
    print(f"PROJECT_KEY={certificate.project_key}")
    print(f"METER_TYPE={meter_key}")


if __name__ == "__main__":
    try:
        main()
    except KeyError as exc:
        raise SystemExit(f"{exc.args[0]} is needed in the environment") from exc
    except ThingsteadError as exc:
        raise SystemExit(f"{type(exc).__name__}: {exc}") from exc
