"""Guides: pages of the documentation for those who build devices and applications. The folder ``guides`` refers to them
by symbolic links, in place of which the wheel has the pages."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from thingstead.api.documents.markdown import anchor, rendered
from thingstead.api.documents.markup import escape
from thingstead.api.documents.schemas import FOLDER
from thingstead.api.documents.snippets import ORIGIN
from thingstead.api.documents.words import Words

REFUSALS = "refusals"  # made of the codes themselves, not of its page
# Guides by their names, with title and page, on the shelves of the navigation.
SHELVES = {
    "Devices": {
        "guide-start": ("Start", "README.md"),
        "guide-first-device": ("The first device", "first-device.md"),
        "devices-mqtt": ("Devices over MQTT and TCP", "device.md"),
        "devices-http": ("Devices over HTTP", "device-http.md"),
        "guide-mqtt": ("The MQTT server", "mqtt.md"),
        "guide-modbus": ("Modbus", "modbus.md"),
        "guide-processing": ("Processing of attributes", "processing.md"),
        "guide-diagnosis": ("Why a device does not work", "diagnosis.md"),
    },
    "Applications": {
        "guide-api": ("The Project API", "api.md"),
        "guide-history": ("History", "history.md"),
        "subscriptions": ("Subscriptions of applications", "app-subscription.md"),
        "guide-app-plane": ("The application plane", "app-plane.md"),
        "guide-client": ("The Python client", "client.md"),
        REFUSALS: ("Codes of refusals", "refusals.md"),
    },
    "Alarms and automation": {
        "guide-alarms": ("Alarms", "alarms.md"),
        "guide-message-rules": ("Message rules", "message-rules.md"),
        "guide-functions": ("Cloud functions", "functions.md"),
        "guide-forwarding": ("Forwarding", "forwarding.md"),
        "guide-tasks": ("Tasks", "tasks.md"),
        "guide-ota": ("Upgrades of firmware", "ota.md"),
    },
    "Operation": {
        "guide-install": ("Install", "install.md"),
        "guide-console": ("The console", "console.md"),
        "guide-configuration": ("All settings", "configuration.md"),
        "guide-cli": ("All commands", "cli.md"),
        "guide-credentials": ("Which credential opens what", "credentials.md"),
        "guide-tls": ("TLS, WebSocket, load balancers", "tls.md"),
        "guide-operating": ("Operating", "operating.md"),
        "guide-metrics": ("Metrics", "metrics.md"),
        "guide-cluster": ("Two nodes that survive", "cluster.md"),
        "guide-upgrade": ("Upgrading and moving", "upgrade.md"),
        "limits": ("Limits", "limits.md"),
    },
}
PAGES = {name: page for shelf in SHELVES.values() for name, (_, page) in shelf.items() if name != REFUSALS}
TITLES = {name: title for shelf in SHELVES.values() for name, (title, _) in shelf.items()}
# The guides by what links name: the last part of the path; of the README, of which there are several, all of it.
PLACES = {page: name for shelf in SHELVES.values() for name, (_, page) in shelf.items() if page != "README.md"}
PLACES |= dict.fromkeys(("../README.md", "../../README.zh.md"), "guide-start")


class Section(NamedTuple):
    """A part of a guide below a heading."""

    title: str
    anchor: str
    words: str  # each word of its text once, in lower case


def guide(name: str, words: Words) -> str:
    """A guide in its language; in English, with a remark, if it has not been translated."""
    text, language = _text(name, words.language)
    html = rendered(text, lambda target: address(_translated(target, language, words.language), words.language))
    only = words("This page is in English only.")
    remark = "" if language == words.language else f'<p class="remark">{escape(only)}</p>'
    return remark + html.replace("http://localhost:8080", ORIGIN)


def sections(name: str, language: str) -> Iterator[Section]:
    """The sections of a guide that have a heading, in order."""
    _, *parts = re.split(r"^##+ ", _text(name, language)[0], flags=re.MULTILINE)
    for part in parts:
        title, _, content = part.partition("\n")
        words = dict.fromkeys(re.findall(r"[^\W\d_]\w+", re.sub(r"\]\([^)]*\)|[`*]", " ", content).lower()))
        yield Section(title.replace("`", ""), anchor(title), " ".join(words))


def _translated(target: str, written: str, shown: str) -> str:
    """The target of a link of a page that is written in one language, where pages are shown in another."""
    path, _, part = target.partition("#")
    name = _place(path)
    if written == shown or not part or name not in PAGES:
        return target
    headings = (each.anchor for each in sections(name, shown))
    anchors = dict(zip((each.anchor for each in sections(name, written)), headings, strict=True))
    return f"{path}#{anchors.get(part, part)}"


def _text(name: str, language: str) -> tuple[str, str]:
    """The Markdown of a guide, and the language that it is in."""
    folder = FOLDER.joinpath("guides")
    page = folder.joinpath(language, PAGES[name])
    if not page.is_file():
        language, page = "en", folder.joinpath("en", PAGES[name])
    return without_pictures(page.read_text("utf-8")), language


def without_pictures(text: str) -> str:
    """A page without its pictures, which the server does not have, and without its link to the other language."""
    return re.sub(r"^(?:\[(?:中文|English)\]|!\[[^]]*\])\([^)]*\)\n", "", text, flags=re.MULTILINE)


def address(target: str, language: str) -> str:
    """Where the target of a link in a page is on the server; empty: the server does not have it."""
    path, _, part = target.partition("#")
    if not path:
        return f"#{part}"
    name = _place(path)
    if name is None:
        return ""
    return f"/docs/{language}/{name}" + (f"#{part}" if part else "")


def _place(path: str) -> str | None:
    """The name of the guide that a path means."""
    if "://" in path:
        return None
    return PLACES.get(path) or PLACES.get(path.rpartition("/")[2])
