"""backup, restore, check, export and import-history, as people call them."""

import csv
import json
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.platform import ProjectApi, report_once
from tests.server_process import StartServer, init, thingstead


def fill(start_server: StartServer, folder: Path) -> tuple[str, Any]:
    """A running server whose device reported thrice; the device's id and the server."""
    credentials = init(folder)
    server = start_server(folder)
    api = ProjectApi(server.http_port)
    api.log_in({name: getattr(credentials, name) for name in ("app_id", "access_key", "secret_key")})
    [device] = api.create_devices(1, [])
    for value in (1, 2.5, 3):
        report_once(server.mqtt_port, device, json.dumps({"t": value, "mode": "auto"}).encode())
    api.close()
    return device.id, server


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_running_server_is_backed_up_checked_and_exported(start_server: StartServer, tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    device_id, server = fill(start_server, data)
    done = thingstead("check", "--data-dir", data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["ok"] * 8
    assert thingstead("backup", backup, "--data-dir", data).returncode == 0
    exported = tmp_path / "a.csv"
    done = thingstead("export", "--output", exported, "--data-dir", data)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "6 points of 1 devices")
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    rows = rows_of(exported)
    assert [(row["identifier"], row["value"]) for row in rows] == [
        *[("mode", '"auto"')] * 3, ("t", "1"), ("t", "2.5"), ("t", "3"),
    ]  # fmt: skip
    assert {row["device_id"] for row in rows} == {device_id}
    assert thingstead("backup", backup, "--data-dir", data).returncode == 1
    server.stop()
    restored = tmp_path / "restored"
    assert thingstead("restore", backup, "--data-dir", restored).returncode == 0
    assert thingstead("check", "--quick", "--data-dir", restored).returncode == 0
    again = tmp_path / "b.csv"
    assert thingstead("export", "--output", again, "--data-dir", restored).returncode == 0
    refused = thingstead("export", "--output", again, "--data-dir", restored)
    assert (refused.returncode, "--force overwrites it" in refused.stderr) == (1, True)
    assert thingstead("export", "--output", again, "--data-dir", restored, "--force").returncode == 0
    assert rows_of(again) == rows
    refused = thingstead("restore", backup, "--data-dir", restored)
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (1, True)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_was_exported_is_imported_elsewhere_and_twice(
    start_server: StartServer, tmp_path: Path, suffix: str
) -> None:
    data, copy, table = tmp_path / "data", tmp_path / "copy", tmp_path / f"a.{suffix}"
    device_id, server = fill(start_server, data)
    server.stop()
    assert thingstead("export", "--output", table, "--data-dir", data).returncode == 0
    assert thingstead("backup", tmp_path / "backup", "--data-dir", data).returncode == 0
    assert thingstead("restore", tmp_path / "backup", "--data-dir", copy).returncode == 0
    for _ in range(2):
        done = thingstead("import-history", table, "--data-dir", copy)
        assert (done.returncode, done.stdout) == (0, "6 points\n"), done.stderr
    counted = thingstead("export", "--output", "-", "--device", device_id, "--identifier", "t", "--data-dir", copy)
    assert len(counted.stdout.splitlines()) == 4


def test_an_export_is_narrowed(start_server: StartServer, tmp_path: Path) -> None:
    device_id, _ = fill(start_server, tmp_path / "data")
    for options, points in (
        (["--identifier", "t"], 3),
        (["--identifier", "nosuch"], 0),
        (["--device", device_id], 6),
        (["--project", "nosuch"], 0),
        (["--end", "2020-01-01"], 0),
        (["--start", "2020-01-01T08:00:00+08:00"], 6),
        (["--start", "1", "--end", "2"], 0),
    ):
        done = thingstead("export", "--output", "-", "--data-dir", tmp_path / "data", *options)
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 1 + points), done.stderr


def test_wrong_calls_are_refused_clearly(tmp_path: Path) -> None:
    init(tmp_path / "data")
    (tmp_path / "bad.csv").write_text("device_id,identifier,ts,value\nnosuch,x,1,1\n")
    (tmp_path / "nothing").mkdir()
    there: list[str | Path] = ["--data-dir", tmp_path / "data"]
    calls: list[tuple[list[str | Path], int, str]] = [
        (["export", "--output", "-", "--device", "nosuch", *there], 1, "no such device: nosuch"),
        (["export", "--output", "-", "--start", "yesterday", *there], 2, "neither a date"),
        (["export", "--output", "-", "--start", "2", "--end", "1", *there], 2, "is after --end"),
        (["export", "--output", "-", "--format", "parquet", *there], 2, "Parquet needs a file"),
        (["export", "--output", tmp_path / "no" / "a.csv", *there], 1, "cannot be written"),
        (["export", "--output", "-", "--data-dir", tmp_path / "nothing"], 2, "is not a data folder"),
        (["check", "--data-dir", tmp_path / "nothing"], 2, "is not a data folder"),
        (["backup", tmp_path / "b", "--data-dir", tmp_path / "nothing"], 2, "nothing to back up"),
        (["restore", tmp_path / "nothing", "--data-dir", tmp_path / "new"], 2, "is not a complete backup"),
        (["import-history", tmp_path / "bad.csv", *there], 1, "row 1: no such device: nosuch"),
        (["import-history", tmp_path / "bad.csv", "--project", "nosuch", *there], 1, "no project nosuch"),
    ]
    for arguments, code, text in calls:
        done = thingstead(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_damage_is_named_and_ends_with_exit_code_1(start_server: StartServer, tmp_path: Path) -> None:
    from thingstead.storage.sqlite.engine.database import connect

    _, server = fill(start_server, tmp_path / "data")
    server.stop()
    with closing(connect(tmp_path / "data" / "thingstead.sqlite")) as connection:
        connection.execute("UPDATE report_log SET entries = x'00' WHERE seq = (SELECT max(seq) FROM report_log)")
    done = thingstead("check", "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert "the checksum is wrong" in done.stdout
    assert "is damaged" in done.stderr
