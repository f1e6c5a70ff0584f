"""A data folder as the code wrote it at schema version 8: today's server opens it and answers what that one answered.

``first/thingstead.sqlite.gz`` was written by that code: a project, a type, groups, a customer, three devices, 2,000
reports of 40 days, an alarm, an event and a command. ``first/answers.json.gz`` holds its answers, and made-up keys to
log in with.
"""

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.mqtt_device import MqttDevice
from tests.project_api import Certificate, ProjectApi
from tests.server_process import ServerProcess, StartServer, thingstead
from tests.upgrade.conftest import FIRST, NEWEST, OLD, schema_version
from thingstead import __version__
from thingstead.services.registry.projects import Credentials

KNOWN: dict[str, Any] = json.loads(gzip.decompress((FIRST / "answers.json.gz").read_bytes()))
# What depends on when one asks.
MOMENTARY = {"active", "timestamp", "timezone"}


@pytest.fixture
def api(data: Path, start_server: StartServer) -> Iterator[ProjectApi]:
    server = start_server(data)
    with ProjectApi(server.url, credentials()) as api:
        yield api


def credentials() -> Credentials:
    keys = dict.fromkeys(Credentials.__struct_fields__, "") | KNOWN["keys"]
    return Credentials(**keys)


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Where an answer of today lacks or changes what the old one had; more members are none."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() - MOMENTARY:
            yield from differences(old[name], new.get(name, "missing"), f"{where}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{where}[{number}]")
    elif old != new:
        yield f"{where}: {old!r} -> {new!r}"


def test_every_answer_has_what_the_old_one_had(api: ProjectApi) -> None:
    for path, known in KNOWN["answers"].items():
        assert list(differences(known, api.call("GET", path))) == [], path


def test_a_device_logs_in_with_its_old_certificate(data: Path, start_server: StartServer) -> None:
    server = start_server(data)
    known = KNOWN["certificates"][0]
    devices = KNOWN["answers"]["/devices"]["items"]
    device_id = next(each["id"] for each in devices if each["name"] == "pump 0")
    certificate = Certificate(device_id, known["access_token"], known["project_key"])
    with ProjectApi(server.url, credentials()) as api:
        before = api.attributes(device_id)
        with MqttDevice(server.mqtt_port, certificate) as device:
            device.report({"temperature": 19})
        assert api.attributes(device_id) == {**before, "temperature": 19}
        assert api.series(device_id, "temperature")[:2] == [19, 61]


def test_the_folder_is_backed_up_before_it_is_migrated(data: Path, start_server: StartServer) -> None:
    server = start_server(data)
    assert server.stop() == 0
    assert schema_version(data / "thingstead.sqlite") == NEWEST
    (backup,) = (data / "backups").iterdir()
    assert backup.name.startswith(f"schema-{OLD}-")
    assert schema_version(backup / "thingstead.sqlite") == OLD
    restored = data.parent / "restored"
    done = thingstead("restore", backup, "--data-dir", restored)
    assert done.returncode == 0, done.stderr
    assert schema_version(restored / "thingstead.sqlite") == OLD
    checked = thingstead("check", "--data-dir", data)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    again = start_server(data)
    assert again.stop() == 0
    assert len(list((data / "backups").iterdir())) == 1


def test_no_backup_is_made_where_the_setting_says_so(data: Path, start_server: StartServer) -> None:
    assert start_server(data, THINGSTEAD_STORAGE_BACKUP_BEFORE_MIGRATION="false").stop() == 0
    assert not (data / "backups").exists()


def test_a_program_that_is_too_old_says_which_release_wrote_the_folder(data: Path, start_server: StartServer) -> None:
    assert start_server(data).stop() == 0
    with closing(sqlite3.connect(data / "thingstead.sqlite")) as connection, connection:
        connection.execute("UPDATE releases SET release = '9.9.9'")
        connection.execute(f"PRAGMA user_version={NEWEST + 1}")
    refused = ServerProcess(data)
    assert refused.wait() == 2
    assert f"was written by release 9.9.9, its schema has version {NEWEST + 1}; this release, {__version__}" in str(
        refused.stray
    )


def test_it_moves_to_another_machine_and_back(data: Path, start_server: StartServer, tmp_path: Path) -> None:
    """By the steps of docs/upgrade.md."""
    server = start_server(data)
    there, back = tmp_path / "there", tmp_path / "back"
    for number, (source, target) in enumerate(((data, there), (there, back))):
        copy = tmp_path / f"copy {number}"
        assert server.stop() == 0
        backed_up = thingstead("backup", copy, "--data-dir", source)
        assert backed_up.returncode == 0, backed_up.stderr
        restored = thingstead("restore", copy, "--data-dir", target, "--keep-tokens")
        assert restored.returncode == 0, restored.stderr
        server = start_server(target)
        with ProjectApi(server.url, credentials()) as api:
            assert api.call("GET", "/devices_stat")["device_total"] == 3
