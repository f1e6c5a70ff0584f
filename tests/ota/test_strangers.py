"""Upgrades of one project are nothing to another."""

import json
from types import SimpleNamespace

from tests.ota.fleet import Fleet, check
from tests.project_api import ProjectApi
from tests.server_process import thingstead


def test_another_project_sees_and_does_nothing(fleet: Fleet) -> None:
    running = fleet.running
    made = thingstead("project", "create", "--name", "Second", "--data-dir", running.server.data_dir, "--json")
    assert made.returncode == 0, made.stderr
    version_id = fleet.version("1.1")
    certificate = fleet.device()
    rollout_id = fleet.rollout(version_id, certificate, start=False)
    credentials = SimpleNamespace(**json.loads(made.stdout))
    with ProjectApi(running.server.url, credentials) as other:  # type: ignore[arg-type]  # has what it reads
        version, rollout = f"/ota_version/{version_id}", f"/ota_rollout/{rollout_id}"
        for method, path, body in (
            ("GET", version, None),
            ("PUT", version, {"enabled": False}),
            ("DELETE", version, None),
            ("POST", f"{version}/rollout", {"devices": [certificate.device_id]}),
            ("GET", rollout, None),
            ("GET", f"{rollout}/devices", None),
            *(("POST", f"{rollout}/{verb}", None) for verb in ("start", "pause", "resume", "end")),
            ("DELETE", rollout, None),
            ("GET", f"/device/{certificate.device_id}/ota_upgrades", None),
        ):
            assert other.answer(method, path, json=body)["errcode"] == 404, (method, path)
        assert other.answer("PUT", f"{version}/file", content=b"x")["errcode"] == 404
        assert other.call("GET", "/ota_versions")["total"] == other.call("GET", "/ota_rollouts")["total"] == 0
        own = other.call("POST", "/ota_version", json={"name": "x", "version_name": "9", "from_versions": ["*"]})["id"]
        other.call("PUT", f"/ota_version/{own}/file", content=b"other")
        refused = other.answer(
            "POST", "/ota_version", json={"name": "x", "version_name": "9", "types": [fleet.type_id]}
        )
        assert refused["errors"][0]["field"] == "types[0]"
        chosen = other.call("POST", f"/ota_version/{own}/rollout", json={"devices": [certificate.device_id]})["id"]
        assert other.call("GET", f"/ota_rollout/{chosen}/devices")["items"] == []
    with fleet.connected(fleet.device()) as device:
        device.report({"version": "1.0"})
        assert check(device)["version"] == "1.1"  # and not 9
