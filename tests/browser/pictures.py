"""Makes the pictures of docs/pictures: a small one of each page, of a server with made-up devices.

``script/console pictures`` runs it. The data is the same each time, but for the clock; the product has none of it.
"""

import asyncio
import base64
import math
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.browser import picture_automation
from tests.browser.visit import ROOT, Site, View, Visit
from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi
from tests.server_process import ServerProcess, init

FOLDER = ROOT / "docs" / "pictures"
SCALE, QUALITY = 0.5625, 45
BYTES_MAX = 25_000
MINUTE = 60_000
ONLINE = 11  # devices that are connected over MQTT, of 16
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
    silent = list(devices.values())[-1]
    ids = {"type": type_id, "customer": customer_id, "rule": rule_id, "device": first.device_id}
    return {**ids, "silent": silent.device_id}, devices


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


async def import_shown(page: Any, language: str) -> None:
    """A table that is being imported, with a row that is wrong."""
    name, kind = NAMES[language], WORDS[language][0]
    rows = [f"{name} {number},GH-{number:03},{kind},site=north" for number in range(17, 24)]
    table = "name,device_key,type,tags\n" + "\n".join([*rows, f"{name} 24,GH-024,???,site=south"])
    await page.locator("header .actions button").first.click()
    await page.get_by_role("menuitem").first.click()
    file = {"name": "devices.csv", "mimeType": "text/csv", "buffer": table.encode()}
    await page.set_input_files("dialog input[type=file]", file)
    await page.wait_for_selector("dialog table")


async def codes_shown(page: Any, _: str) -> None:
    await page.locator("header .actions button").first.click()
    await page.get_by_role("menuitem").last.click()
    await page.wait_for_selector("dialog svg.qr")


async def palette_shown(page: Any, language: str) -> None:
    await page.keyboard.press("Control+k")
    await page.wait_for_selector("[role=combobox]:focus")
    await page.keyboard.type(NAMES[language][:5])
    await page.wait_for_function("() => document.querySelectorAll('[role=option]').length > 5")


async def diagnosis_shown(page: Any, _: str) -> None:
    await page.click("header .actions button")
    await page.wait_for_selector("dialog .checks li")


# Pictures of what stands over a page, by name: the page, and what opens it.
OVER = {
    "import": ("/devices", import_shown),
    "qr": ("/devices", codes_shown),
    "palette": ("/", palette_shown),
    "diagnosis": ("/devices/{silent}/summary", diagnosis_shown),
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
    devices = list(site.devices.values())
    wrong = Certificate(devices[-1].device_id, devices[-1].access_token, "an old ProjectKey")
    MqttDevice(site.process.mqtt_port, wrong).connect_and_close()
    port = site.process.mqtt_port
    with ExitStack() as stack:
        connected = {each.device_id: stack.enter_context(MqttDevice(port, each)) for each in devices[:ONLINE]}
        async with Visit.begin(site) as visit:
            page = await visit.page(View(language))
            await visit.log_in(page)
            await photograph_pages(visit, page, ids, language)
            api = stack.enter_context(ProjectApi(site.process.url, site.credentials))
            automation = picture_automation.Automation(api, ids["type"], connected, language, stack)
            for name, path in picture_automation.pages({**ids, **automation.made()}).items():
                await photograph_page(visit, page, name, path, language)
            if visit.faults:
                raise SystemExit("\n".join(visit.faults))


async def photograph_page(visit: Visit, page: Any, name: str, path: str, language: str) -> None:
    await visit.open(page, path)
    await page.wait_for_load_state("networkidle")
    keep(f"{name}.{language}.webp", await taken(page))


async def photograph_pages(visit: Visit, page: Any, ids: dict[str, str], language: str) -> None:
    for name, path in pages(ids).items():
        await photograph_page(visit, page, name, path, language)
    for name, (path, show) in OVER.items():
        await visit.open(page, path.format(**ids))
        await page.wait_for_load_state("networkidle")
        await show(page, language)
        await page.wait_for_load_state("networkidle")
        keep(f"{name}.{language}.webp", await taken(page))


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
