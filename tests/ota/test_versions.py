"""Versions and their files over the API: what is refused, what is kept within its bounds, who may do what."""

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from tests.ota.fleet import FIRMWARE, Fleet, digests
from tests.project_api import ProjectApi
from tests.running import Running, eventually
from tests.server_process import ServerProcess, init


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with small bounds."""
    folder = tmp_path_factory.mktemp("ota") / "data"
    credentials = init(folder)
    bounds = {"THINGSTEAD_OTA_FILE_MAX_BYTES": "200000", "THINGSTEAD_OTA_PROJECT_MAX_BYTES": "400000"}
    server = ServerProcess(folder, **bounds).wait_until_serving()
    try:
        with ProjectApi(server.url, credentials) as api:
            yield Running(server, credentials, api, api.create_device())
    finally:
        server.kill()


def upload_path(fleet: Fleet, version_id: str) -> str:
    return f"/api/v1/ota_version/{version_id}/file"


def uploaded(fleet: Fleet, version_id: str, content: Callable[[], Any], **query: str) -> Any:
    """The file, as soon as the files that were removed before have given their room back."""
    answers: list[Any] = []

    def taken() -> bool:
        answers.append(fleet.upload(version_id, content(), **query))
        return bool(answers[-1].get("code") != "ota_files_full")

    eventually(taken)
    return answers[-1]


def uploads(fleet: Fleet, version_id: str, size: int) -> bool:
    """Whether there is room for a file of this size now."""
    answer = fleet.upload(version_id, b"x" * size)
    return "sha256" in answer


def head(fleet: Fleet, version_id: str, *more: str) -> bytes:
    """The head of an upload."""
    token = fleet.api.headers["Authorization"]
    lines = [f"PUT {upload_path(fleet, version_id)} HTTP/1.1", "Host: a", f"Authorization: {token}", *more, "", ""]
    return "\r\n".join(lines).encode()


def test_an_uploaded_file_is_shown_and_cannot_be_replaced(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", None)
    assert "file" not in fleet.api.call("GET", f"/ota_version/{version_id}")
    query = {"name": "../../etc/pass wd.bin", "sha256": digests(FIRMWARE)["sha256"].upper()}
    file = uploaded(fleet, version_id, lambda: FIRMWARE, **query)
    assert {name: file[name] for name in ("sha256", "md5", "size_bytes", "name", "damaged")} == {
        **digests(FIRMWARE),
        "size_bytes": len(FIRMWARE),
        "name": "etc_pass_wd.bin",
        "damaged": False,
    }
    assert fleet.api.call("GET", f"/ota_version/{version_id}")["file"] == file
    assert fleet.upload(version_id, b"other")["code"] == "ota_file_present"
    fleet.api.call("DELETE", f"/ota_version/{version_id}")


def test_a_body_in_chunks_needs_no_length(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", None)
    file = uploaded(fleet, version_id, lambda: iter([b"a" * 70_000, b"b", b"c" * 10]))
    assert file["sha256"] == hashlib.sha256(b"a" * 70_000 + b"b" + b"c" * 10).hexdigest()
    fleet.api.call("DELETE", f"/ota_version/{version_id}")


def test_files_that_are_empty_too_large_or_other_ones_are_refused_and_leave_nothing(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", None)
    assert fleet.upload(version_id, b"")["errors"][0]["field"] == "body"
    assert uploaded(fleet, version_id, lambda: b"abc", sha256="0" * 64)["code"] == "ota_sha256_differs"
    assert fleet.upload(version_id, b"abc", sha256="zz")["errors"][0]["field"] == "sha256"
    assert fleet.upload(version_id, b"x" * 200_001)["code"] == "ota_file_too_large"
    assert uploaded(fleet, version_id, lambda: iter([b"x" * 150_000, b"x" * 50_001]))["code"] == "ota_file_too_large"
    packed = httpx.put(
        f"{fleet.running.server.url}{upload_path(fleet, version_id)}",
        content=b"abc",
        headers=fleet.api.headers | {"Content-Encoding": "gzip"},
        trust_env=False,
    )
    assert packed.json()["code"] == "content_encoding_unknown"
    form = httpx.put(
        f"{fleet.running.server.url}{upload_path(fleet, version_id)}",
        files={"file": ("fw.bin", b"abc")},  # curl -F: devices would get the form around the file, too
        headers=fleet.api.headers,
        trust_env=False,
    )
    assert form.json()["code"] == "ota_file_in_form"
    assert uploaded(fleet, version_id, lambda: b"x" * 200_000)["size_bytes"] == 200_000
    fleet.api.call("DELETE", f"/ota_version/{version_id}")


def test_an_upload_that_breaks_off_counts_until_it_is_removed(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", None)
    address = ("127.0.0.1", fleet.running.server.http_port)
    for _ in range(3):  # more than the quota together
        with socket.create_connection(address, timeout=20) as sock:
            sock.sendall(head(fleet, version_id, "Content-Length: 190000") + b"x" * 180_000)
    eventually(partial(uploads, fleet, version_id, 190_000))
    fleet.api.call("DELETE", f"/ota_version/{version_id}")


def test_the_files_of_a_project_are_bounded_together(fleet: Fleet) -> None:
    made = [fleet.version(f"1.{number}", None) for number in range(3)]
    for version_id in made[:2]:
        eventually(partial(uploads, fleet, version_id, 190_000))
    assert fleet.upload(made[2], b"x" * 30_000)["code"] == "ota_files_full"
    fleet.api.call("DELETE", f"/ota_version/{made[0]}")
    eventually(partial(uploads, fleet, made[2], 30_000))
    for version_id in made[1:]:
        fleet.api.call("DELETE", f"/ota_version/{version_id}")


def test_a_version_that_is_removed_during_its_upload_gets_no_file(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", None)
    with socket.create_connection(("127.0.0.1", fleet.running.server.http_port), timeout=20) as sock:
        sock.sendall(head(fleet, version_id, "Content-Length: 100000") + b"x" * 99_999)
        fleet.api.call("DELETE", f"/ota_version/{version_id}")
        sock.sendall(b"x")
        answer = sock.recv(65_536)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "no_such_ota_version"


def test_members_are_checked_all_at_once(fleet: Fleet) -> None:
    body = {
        "name": "x", "version_name": "1 1", "module": "é", "types": ["nowhere"], "devices": ["a b"],
        "from_versions": ["ok", "not ok"],
    }  # fmt: skip
    refused = fleet.answer("POST", "/ota_version", json=body)
    assert [error["field"] for error in refused["errors"]] == [
        "version_name", "module", "from_versions[1]", "types[0]", "devices[0]",
    ]  # fmt: skip
    for waves in ([], [50], [50, 10, 100], [100, 100], [0, 100], [100, 101]):
        version_id = fleet.version("1.1", None)
        refused = fleet.answer("POST", f"/ota_version/{version_id}/rollout", json={"devices": ["a"], "waves": waves})
        assert refused["errors"][0]["field"].startswith("waves")
    refused = fleet.answer("POST", f"/ota_version/{version_id}/rollout", json={"devices": ["a"]})
    assert refused["code"] == "ota_file_missing"


def test_a_change_names_the_version_of_the_row_that_was_read(fleet: Fleet) -> None:
    version_id = fleet.version("1.1", None)
    changed = fleet.api.call("PUT", f"/ota_version/{version_id}", json={"descr": "x", "version": 1})
    assert (changed["descr"], changed["version"]) == ("x", 2)
    assert fleet.answer("PUT", f"/ota_version/{version_id}", json={"descr": "y", "version": 1})["errcode"] == 409
    kept = fleet.api.call("PUT", f"/ota_version/{version_id}", json={"version_name": "2", "module": "x"})
    assert (kept["version_name"], kept["module"]) == ("1.1", "main")  # as of every member that is only read
