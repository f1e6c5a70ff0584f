"""Every rule of the alarm guide is taken, and does on a device what the story below it says; its programs run."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from bench.process import free_port
from tests.docs.test_readme import ENGLISH, code_blocks
from tests.services.alarm_plant import Plant, planted
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.alarms.rule_form import RuleForm
from thingstead.model.device import Device
from thingstead.rules.schedule import zone

if TYPE_CHECKING:
    from tests.docs.conftest import Installation

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "alarms.md").read_text(encoding="utf-8")
GUIDES = {"english": GUIDE, "chinese": (DOCS / "zh" / "alarms.md").read_text(encoding="utf-8")}
EXAMPLES = GUIDE.split("## Rules by example")[1].split("\n## What is refused")[0]
RULES_WITH_STORIES = re.findall(r"^```json\n(.*?)^```\n\n```text\n(.*?)^```", EXAMPLES, re.MULTILINE | re.DOTALL)
LINE = re.compile(r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(\d\d:\d\d(?::\d\d)?)  (.+?)(?: +→ (.+))?$")
MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001 - in the time zone of the rule
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Happening(NamedTuple):
    """A line of a story."""

    at: int  # ms
    what: str
    outcome: str  # "": nothing comes of it


def happenings(story: str, timezone: str) -> Iterator[Happening]:
    for line in story.splitlines():
        match = LINE.match(line)
        assert match is not None, line
        day, time, what, outcome = match.groups()
        hours, minutes, seconds = (*map(int, time.split(":")), 0)[:3]
        since = timedelta(days=DAYS.index(day or "Mon"), hours=hours, minutes=minutes, seconds=seconds)
        local = (MONDAY + since).replace(tzinfo=zone(timezone))
        yield Happening(round(local.astimezone(UTC).timestamp() * 1000), what.strip(), outcome or "")


def outcome_of(log: AlarmLog) -> str:
    """A message in the words of the guide."""
    if not log.alarm_status:
        return "cleared"
    return f"alarm, level {log.alarm_level}" if log.id == log.alarm_id else f"level {log.alarm_level}"


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with planted(tmp_path, 0) as plant:
        yield plant


async def happen(plant: Plant, device: Device, what: str) -> None:
    if what == "online":
        await plant.connect(device)
    elif what == "offline":
        await plant.disconnect(device)
    elif what != "nothing":
        await plant.report(device, **json.loads(what))
    await plant.settle()


@pytest.mark.parametrize(("text", "story"), RULES_WITH_STORIES, ids=range(len(RULES_WITH_STORIES)))
async def test_a_rule_does_what_its_story_says(plant: Plant, text: str, story: str) -> None:
    body = json.loads(text)
    told = list(happenings(story, body.get("schedule", {}).get("timezone", "+00:00")))
    plant.clock.advance(told[0].at - 1_000)
    type_id = await plant.workshop.add_type()
    device = await plant.workshop.add_device(type_id=type_id, create_time=plant.clock.now_ms())
    filled = text.replace("<type id>", type_id).replace("<device id>", device.id)
    await plant.rules.create("p1", msgspec.json.decode(filled, type=RuleForm))
    await plant.settle()
    for number, happening in enumerate(told, 1):
        before = len(await plant.logs())
        plant.clock.advance(happening.at - plant.clock.now_ms())
        await happen(plant, device, happening.what)
        new = (await plant.logs())[: len(await plant.logs()) - before]
        assert [outcome_of(log) for log in reversed(new)] == [happening.outcome] * bool(happening.outcome), number
        assert all(log.ts == happening.at for log in new), number


def test_every_rule_of_the_guide_has_a_story() -> None:
    assert len(RULES_WITH_STORIES) == len(code_blocks(EXAMPLES, "json")) >= 15


def test_the_stories_show_every_kind_of_condition_and_every_member() -> None:
    shown = "".join(text for text, _ in RULES_WITH_STORIES)
    members = {field.encode_name for field in msgspec.structs.fields(RuleForm)} - {"descr", "enabled", "notify"}
    wanted = members - {"clear_count"} | {"and", "or", "not", "no_data_ms", "offline_ms", "circle", "polygon"}
    assert [member for member in sorted(wanted) if f'"{member}"' not in shown] == []
    assert "clear_count" in GUIDE
    ops = {">", ">=", "<", "<=", "==", "!=", "between", "change", "inside", "outside"}
    assert [op for op in sorted(ops) if f"`{op}`" not in GUIDE] == []


@pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)
def test_the_server_takes_every_body_of_the_guide(installation: "Installation", guide: str) -> None:
    api = installation.api
    device = api.create_devices(1, [])[0]
    type_id = api.call("POST", "/device_type", {"name": "untyped"})["id"]
    group = next(body for body in code_blocks(guide, "json") if '"channels"' in body)
    group_id = api.call("POST", "/notify_group", json.loads(group))["id"]
    shown = api.call("GET", f"/notify_group/{group_id}")
    assert "0123456789abcdef" not in json.dumps(shown)
    assert "SEC0123456789" not in json.dumps(shown)
    changed = api.call("PUT", f"/notify_group/{group_id}", shown)
    assert changed == {**shown, "version": shown["version"] + 1}
    for text in code_blocks(guide, "json"):
        body = json.loads(text.replace("<type id>", type_id).replace("<device id>", device.id))
        if "filter" in body:
            assert api.call("POST", "/alarms_acknowledge", body)["remaining"] == 0
            continue
        if "rule" in body:
            assert api.call("POST", "/alarm_rule_test", body)["complete"] is True
        elif "channels" not in body:
            body["notify"] = [{"group": group_id}]
            created = api.call("POST", "/alarm_rule", body)["id"]
            read: dict[str, Any] = api.call("GET", f"/alarm_rule/{created}")
            assert {name: read[name] for name in body} == body


@contextmanager
def receiving(folder: Path) -> Iterator[tuple[int, Iterator[str]]]:
    """The receiver of the guide on a free port, and the lines that it prints."""
    program = folder / "receiver.py"
    program.write_text(code_blocks(GUIDE, "python")[0], encoding="utf-8")
    for _ in range(5):  # somebody else may take the port first
        port = free_port()
        with subprocess.Popen([sys.executable, program, str(port)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            if not listens(process, port):
                continue
            try:
                yield port, iter(process.stdout)
            finally:
                process.kill()
            return
    raise AssertionError("the receiver found no free port")


def listens(process: "subprocess.Popen[str]", port: int) -> bool:
    """Whether the process came to listen on the port; False: it ended instead."""
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process.poll() is None
        # Seldom, since one of many attempts connects to itself and so takes the port from the process.
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    return False


@pytest.mark.external
@pytest.mark.parametrize(("language", "rule"), [("english", "Too hot"), ("chinese", "温度过高")])
def test_the_first_alarm_reaches_the_receiver_and_its_signature_is_genuine(
    installation: "Installation", tmp_path: Path, language: str, rule: str
) -> None:
    with receiving(tmp_path) as (port, lines):
        blocks = [code_blocks(ENGLISH, "sh")[0], *code_blocks(GUIDES[language], "sh")]
        output = installation.run("echo\n".join(blocks).replace("localhost:9000", f"localhost:{port}"))
        assert [next(lines), next(lines)] == [f"{what} 2 {rule} Greenhouse\n" for what in ("alarm", "cleared")]
    opened, logs = (answer["info"] for answer in answers(output) if "items" in answer["info"])
    assert [alarm["rule_name"] for alarm in opened["items"]] == [rule]
    assert [log["alarm_status"] for log in logs["items"]] == [0, 1]


def answers(output: str) -> Iterator[Any]:
    """JSON texts, one after the other."""
    while output := output.strip():
        answer, end = json.JSONDecoder().raw_decode(output)
        output = output[end:]
        yield answer


def test_the_receiver_of_the_guide_tells_a_forged_notice() -> None:
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(code_blocks(GUIDE, "python")[0], names)  # noqa: S102 - the program of our own guide
    body, now_ms = b'{"notice_id": "n1"}', 1_700_000_000_000
    digest = names["hmac"].new(names["SECRET"], b"%d.%s" % (now_ms, body), "sha256").hexdigest()
    genuine = {"X-Thingstead-Timestamp": str(now_ms), "X-Thingstead-Signature": f"sha256={digest}"}
    assert names["is_genuine"](genuine, body, now_ms + 1_000)
    for headers, content, instant in (
        (genuine, body + b" ", now_ms),
        (genuine, body, now_ms + names["FRESH_MS"] + 1),
        ({**genuine, "X-Thingstead-Timestamp": str(now_ms + 1)}, body, now_ms),
        ({**genuine, "X-Thingstead-Timestamp": "soon"}, body, now_ms),
        ({**genuine, "X-Thingstead-Signature": "sha256="}, body, now_ms),
        ({}, body, now_ms),
    ):
        assert not names["is_genuine"](headers, content, instant)
