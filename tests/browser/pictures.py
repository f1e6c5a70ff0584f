"""Makes the pictures of docs/pictures: a small one of each page, of a server with made-up devices.

``script/console pictures`` runs it. The data is the same each time, but for the clock; the product has none of it.
"""

import asyncio
import base64
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.browser.visit import ROOT, Site, View, Visit
from tests.project_api import Certificate, ProjectApi
from tests.server_process import ServerProcess, init

FOLDER = ROOT / "docs" / "pictures"
SCALE, QUALITY = 0.5625, 45
BYTES_MAX = 25_000
MINUTE = 60_000
HALLS = {"en": ("North hall", "South hall", "Cold store"), "zh": ("北区温室", "南区温室", "冷库")}
NAMES = {"en": "Greenhouse", "zh": "温室"}
WORDS = {
    "en": (
        "Climate sensor",
        "Temperature",
        "Humidity",
        "Fan",
        "Temperature above 28 °C",
        "On duty",
        "Green Farm",
        "Door",
    ),
    "zh": ("温湿度传感器", "温度", "湿度", "风机", "温度高于 28 °C", "值班组", "绿野农场", "门禁"),
}


def report(url: str, device: Certificate, path: str, content: Any) -> None:
    """Sends something as a device over HTTP."""
    answer = httpx.post(
        f"{url}/device/v1/{device.access_token}/{path}",
        json=content,
        headers={"Project-Key": device.project_key},
        trust_env=False,
    )
    answer.raise_for_status()


def day_of(number: int, now: int) -> list[dict[str, Any]]:
    """Reports of the last 24 hours, one in ten minutes; the devices differ a little, and the second one is too warm."""
    found = []
    for step in range(144):
        wave = math.sin(step / 23 + number / 3) + 0.15 * math.sin(step * 1.7 + number)
        warm = 6 if number == 1 and step > 120 else 0
        values = {"temperature": round(22 + 3.5 * wave + warm, 1), "humidity": round(61 - 9 * wave), "fan": wave > 0.6}
        found.append({"ts": now - (144 - step) * 10 * MINUTE, "attributes": values})
    return found


def made_type(api: ProjectApi, language: str) -> str:
    name, temperature, humidity, fan, *_ = WORDS[language]
    attributes: list[dict[str, Any]] = [
        {"identifier": "temperature", "name": temperature, "data_type": "number", "data_options": {"unit": "°C"}},
        {"identifier": "humidity", "name": humidity, "data_type": "number", "data_options": {"unit": "%"}},
        {"identifier": "fan", "name": fan, "data_type": "switch", "attr_type": "both"},
    ]
    functions = {"attributes": [{"attr_type": "report", **one} for one in attributes]}
    return str(api.call("POST", "/device_type", json={"name": name, "functions": functions})["id"])


def populated(api: ProjectApi, url: str, language: str) -> tuple[dict[str, str], dict[str, Certificate]]:
    """What the pages show: the ids by which they are opened, and the devices by name."""
    words = WORDS[language]
    now = int(time.time() * 1000) // MINUTE * MINUTE
    type_id = made_type(api, language)
    api.call("POST", "/device_type", json={"name": words[7]})
    groups = [api.call("POST", "/device_group", json={"name": name})["id"] for name in HALLS[language]]
    inner = {"name": f"{HALLS[language][0]} 1", "parent": groups[0]}
    groups.append(api.call("POST", "/device_group", json=inner)["id"])
    customer = {"name": words[6], "account": "green-farm", "password": "a long password", "email": "farm@example.com"}
    customer_id = api.call("POST", "/customer", json=customer)["id"]
    channels = [{"webhook": "https://example.com/alarms"}]  # no rule notifies it: nothing leaves this machine
    api.call("POST", "/notify_group", json={"name": words[5], "channels": channels})
    over = {"attribute": "temperature", "op": ">", "value": 28}
    rule = {"name": words[4], "type": type_id, "level": 3, "raise": over}
    rule_id = api.call("POST", "/alarm_rule", json=rule)["id"]
    devices = {}
    for number in range(16):
        name = f"{NAMES[language]} {number + 1}"
        tags = {"site": ("north", "south")[number % 2]}
        device = api.create_device(name=name, type=type_id, device_key=f"GH-{number + 1:03}", tags=tags)
        api.call("POST", f"/device_group/{groups[number % 4]}/devices", json={"devices": [device.device_id]})
        devices[name] = device
        if number < 13:
            report(url, device, "attributes/series", day_of(number, now))
            report(url, device, "attributes", day_of(number, now)[-1]["attributes"])
    first = next(iter(devices.values()))
    report(url, first, "attributes", {"temperature": "warm"})
    report(url, first, "event/report", {"method": "started", "params": {"firmware": "2.4.1"}})
    api.call("POST", f"/customer/{customer_id}/devices", json={"devices": [first.device_id]})
    return {"type": type_id, "customer": customer_id, "rule": rule_id, "device": first.device_id}, devices


def pages(ids: dict[str, str]) -> dict[str, str]:
    """The address of each picture's page."""
    device = f"/devices/{ids['device']}"
    return {
        "overview": "/",
        "devices": "/devices",
        "device": f"{device}/summary",
        "attributes": f"{device}/attributes",
        "debug": f"{device}/debug",
        "connection": f"{device}/connection",
        "type": f"/types/{ids['type']}/attributes",
        "groups": "/groups",
        "customer": f"/customers/{ids['customer']}",
        "alarms": "/alarms",
        "alarm-rule": f"/alarm-rules/{ids['rule']}",
        "notify": "/notify",
        "apps": "/apps",
        "people": "/people",
        "audit": "/audit",
        "settings": "/settings/retention",
    }


async def taken(page: Any) -> bytes:
    """A picture of what is in view."""
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": SCALE}
    session = await page.context.new_cdp_session(page)
    answer = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY, "clip": clip})
    await session.detach()
    return base64.b64decode(answer["data"])


def keep(name: str, picture: bytes) -> None:
    """Writes a picture that is as small as docs should be."""
    if len(picture) > BYTES_MAX:
        raise SystemExit(f"{name} has {len(picture)} bytes; {BYTES_MAX} are allowed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_bytes(picture)


async def photograph(site: Site, ids: dict[str, str], language: str) -> None:
    async with Visit.begin(site) as visit:
        page = await visit.page(View(language))
        await visit.log_in(page)
        for name, path in pages(ids).items():
            await visit.open(page, path)
            await page.wait_for_load_state("networkidle")
            keep(f"{name}.{language}.webp", await taken(page))
        if visit.faults:
            raise SystemExit("\n".join(visit.faults))


def main(languages: list[str]) -> None:
    """Writes the pictures in these languages; without one in all."""
    for language in languages or list(WORDS):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "thingstead-data"
            credentials = init(data)
            process = ServerProcess(data).wait_until_serving()
            try:
                with ProjectApi(process.url, credentials) as api:
                    ids, devices = populated(api, process.url, language)
                asyncio.run(photograph(Site(process, credentials, devices), ids, language))
            finally:
                process.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
