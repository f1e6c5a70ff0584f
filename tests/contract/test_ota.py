"""Versions of firmware with their files, rollouts, upgrades of devices, and links."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device, device_type
from thingstead.errors import Conflict, NotFound
from thingstead.model.device import Page
from thingstead.model.ota.rollout import OtaRollout, OtaRolloutFilter, OtaUpgrade, Served, WaveCounts
from thingstead.model.ota.version import OtaFile, OtaVersion, OtaVersionFilter
from thingstead.storage.base import Store
from thingstead.storage.base_ota import OtaToken
from thingstead.storage.commit import settled

FILE = OtaFile(id="f1", version_id="v1", name="fw.bin", size_bytes=5, sha256="ab", md5="cd", upload_time=NOW)
MOST = 1_000_000


def ota_version(version_id: str, project_id: str = "ours", **more: Any) -> OtaVersion:
    values = {"name": version_id, "version_name": "1.1.0", "create_time": NOW, "update_time": NOW}
    return OtaVersion(id=version_id, project_id=project_id, **{**values, **more})


def rollout(rollout_id: str, **more: Any) -> OtaRollout:
    values = {"name": rollout_id, "selection": {"devices": ["d1"]}, "create_time": NOW, "update_time": NOW}
    return OtaRollout(id=rollout_id, project_id="ours", version_id="v1", **{**values, **more})


def upgrade(device_id: str, rollout_id: str = "r1", **more: Any) -> OtaUpgrade:
    values = {"wave": 1, "update_time": NOW}
    return OtaUpgrade(
        device_id=device_id, version_id="v1", rollout_id=rollout_id, project_id="ours", **{**values, **more}
    )


async def put_file(store: Store, file: OtaFile = FILE) -> None:
    await store.ota_versions.begin_file("ours", file.version_id, file, MOST)
    await store.ota_versions.add_pieces(file.id, 0, [b"abc", b"de"], MOST)
    await store.ota_versions.finish_file(file)


@pytest.fixture
async def fleet(store: Store) -> Store:
    """Three devices, and a version."""
    await store.device_types.create(device_type("t1"))
    await store.devices.create_many([device("d1", type_id="t1"), device("d2", type_id="t1"), device("d3")])
    await store.ota_versions.create(ota_version("v1", types=("t1",), from_versions=("1.0",)), 10)
    return store


async def test_a_version_comes_back_with_its_file_also_after_a_restart(backend: Backend, fleet: Store) -> None:
    versions = fleet.ota_versions
    assert await versions.list_offered("ours") == []
    await put_file(fleet)
    versions = (await backend.reopen()).ota_versions
    expected = ota_version("v1", types=("t1",), from_versions=("1.0",), file=FILE)
    assert await versions.get("ours", "v1") == expected
    assert await versions.list_offered("ours") == [expected]
    assert await versions.read_pieces("f1", 0, 10) == [b"abc", b"de"]
    assert await versions.read_pieces("f1", 1, 1) == [b"de"]
    assert await versions.list_files() == [FILE]
    await versions.update("ours", "v1", {"enabled": False}, 1)
    assert await versions.list_offered("ours") == []
    with pytest.raises(Conflict):
        await versions.update("ours", "v1", {"enabled": True}, 1)
    with pytest.raises(NotFound):
        await versions.get("theirs", "v1")


async def test_lists_of_versions_are_narrowed(fleet: Store) -> None:
    await fleet.ota_versions.create(ota_version("v2", module="spiffs", enabled=False, name="Pictures"), 10)
    await fleet.ota_versions.create(ota_version("v3", types=("t2",), version_name="2.0-RC1"), 10)

    async def found(**wanted: Any) -> list[str]:
        items, total = await fleet.ota_versions.list_page("ours", OtaVersionFilter(**wanted), Page())
        assert total == len(items)
        return [each.id for each in items]

    assert await found() == ["v1", "v2", "v3"]
    assert await found(type_id="t1") == ["v1", "v2"]
    assert await found(module="spiffs") == await found(enabled=False) == await found(keyword="PICT") == ["v2"]
    assert await found(keyword="rc1") == ["v3"]
    with pytest.raises(Conflict):
        await fleet.ota_versions.create(ota_version("v4"), 3)


async def test_a_version_has_one_file_within_the_quota_of_its_project(fleet: Store) -> None:
    versions = fleet.ota_versions
    await versions.begin_file("ours", "v1", replace(FILE, id="f2"), MOST)
    await versions.add_pieces("f2", 0, [b"x" * 60], 100)
    assert await versions.stored_bytes("ours") == 60
    for refused in (versions.add_pieces("f2", 1, [b"x" * 41], 100), versions.begin_file("ours", "v1", FILE, 60)):
        with pytest.raises(Conflict):
            await refused
    await put_file(fleet)
    for refused in (versions.finish_file(replace(FILE, id="f2")), versions.begin_file("ours", "v1", FILE, MOST)):
        with pytest.raises(Conflict):
            await refused
    assert await versions.remove_pieces(["f2"], 10) is False  # it is being uploaded
    while await versions.remove_pieces([], 10):
        pass
    assert await versions.stored_bytes("ours") == FILE.size_bytes
    with pytest.raises(NotFound):
        await versions.add_pieces("f2", 1, [b"x"], 100)


async def test_the_file_of_a_removed_version_is_removed_in_steps(fleet: Store) -> None:
    versions = fleet.ota_versions
    await put_file(fleet)
    await versions.delete("ours", "v1")
    assert await versions.stored_bytes("ours") == 5
    assert await versions.remove_pieces([], 1)
    assert await versions.read_pieces("f1", 0, 10) == [b"de"]
    while await versions.remove_pieces([], 1):
        pass
    assert await versions.stored_bytes("ours") == 0
    assert await versions.read_pieces("f1", 0, 10) == []
    assert await versions.list_files() == []


async def test_a_rollout_comes_back_and_ends_with_its_devices(backend: Backend, fleet: Store) -> None:
    upgrades = fleet.ota_upgrades
    await upgrades.create_rollout(rollout("r1"), 2, 10)
    await upgrades.add_devices([upgrade("d2", wave=2), upgrade("d1"), upgrade("gone")])
    await upgrades.add_devices([upgrade("d1", wave=2)])
    upgrades = (await backend.reopen()).ota_upgrades
    assert await upgrades.get_rollout("ours", "r1") == rollout("r1")
    assert await upgrades.waiting("r1", 1, 10) == ["d1"]
    assert await upgrades.waiting("r1", 2, 10) == ["d1", "d2"]
    assert [each.id for each in await upgrades.list_working()] == ["r1"]
    assert await upgrades.change_rollout("ours", "r1", {"state": "running"}, ["paused"]) is False
    assert await upgrades.change_rollout("ours", "r1", {"state": "ended", "end_time": NOW + 1}, ["preparing"])
    assert await upgrades.counts(["r1", "r2"]) == {
        "r1": [WaveCounts(1, {"cancelled": 1}), WaveCounts(2, {"cancelled": 1})],
        "r2": [],
    }
    assert await upgrades.list_working() == []
    await upgrades.delete_rollout("ours", "r1")
    assert (await upgrades.list_upgrades("ours", Page(), rollout_id="r1"))[1] == 0
    with pytest.raises(NotFound):
        await upgrades.get_rollout("ours", "r1")


async def test_rollouts_are_bounded_and_protect_their_version(fleet: Store) -> None:
    upgrades = fleet.ota_upgrades
    await upgrades.create_rollout(rollout("r1"), 1, 2)
    with pytest.raises(Conflict):
        await upgrades.create_rollout(rollout("r2"), 1, 2)
    for refused in (fleet.ota_versions.delete("ours", "v1"), upgrades.delete_rollout("ours", "r1")):
        with pytest.raises(Conflict):
            await refused
    for count in (1, 2, 3):
        await upgrades.change_rollout("ours", f"r{count}", {"state": "done", "end_time": NOW}, ["preparing"])
        await upgrades.create_rollout(rollout(f"r{count + 1}", create_time=NOW + count), 1, 2)
    found, _ = await upgrades.list_rollouts("ours", OtaRolloutFilter(version_id="v1"), Page())
    assert [each.id for each in found] == ["r4", "r3"]
    assert (await upgrades.list_rollouts("ours", OtaRolloutFilter(state="done"), Page()))[1] == 1
    assert (await upgrades.list_rollouts("theirs", OtaRolloutFilter(), Page()))[1] == 0


async def test_an_upgrade_moves_forward_and_counts_what_was_served(fleet: Store) -> None:
    upgrades = fleet.ota_upgrades
    sent = upgrade("d1", "", state="sent", sent_time=NOW, due_time=NOW + 100, cause="m1")
    await settled(upgrades.put_upgrade(sent))
    upgrades.put_upgrade(upgrade("gone", "", state="sent"))
    upgrades.note_served([Served("d1", "v1", 3, 0), Served("d1", "v1", 2, 1)], NOW + 5)
    await settled(upgrades.move(sent, ["waiting"], "failed", NOW + 6))  # it waits no longer
    served = replace(sent, state="downloading", bytes_served=5, downloads=1, update_time=NOW + 5)
    assert await upgrades.list_open(("", "", ""), 10) == [served]
    assert await upgrades.list_open(("d1", "v1", ""), 10) == []
    await settled(upgrades.move(sent, ["downloading"], "failed", NOW + 6, code="reply", detail="1", blocked_until=NOW))
    failed = replace(
        served, state="failed", code="reply", detail="1", blocked_until=NOW, update_time=NOW + 6
    )  # fmt: skip
    assert await upgrades.list_of_device("d1") == [failed]
    listed, total = await upgrades.list_upgrades("ours", Page(), device_id="d1")
    assert (listed[0].upgrade, listed[0].device_name, listed[0].version_name, total) == (
        failed,
        "Device d1",
        "1.1.0",
        1,
    )
    await settled(upgrades.put_upgrade(replace(sent, update_time=NOW + 7)))
    assert await upgrades.list_of_device("d1") == [replace(sent, update_time=NOW + 7)]


async def test_upgrades_time_out_and_old_ones_are_removed(fleet: Store) -> None:
    upgrades = fleet.ota_upgrades
    for device_id, due in (("d1", 10), ("d2", 20)):
        await settled(upgrades.put_upgrade(upgrade(device_id, "", state="sent", due_time=NOW + due)))
    assert await upgrades.expire(NOW + 9, 10) == []
    assert [each.device_id for each in await upgrades.expire(NOW + 10, 10)] == ["d1"]
    assert [each.state for each in await upgrades.list_of_device("d1")] == ["timed_out"]
    assert await upgrades.prune(NOW, NOW + 10, 10) == 0
    assert await upgrades.prune(NOW, NOW + 11, 10) == 1
    assert await upgrades.list_of_device("d1") == []
    assert len(await upgrades.list_of_device("d2")) == 1


async def test_a_device_keeps_its_newest_links_until_they_are_over(fleet: Store) -> None:
    upgrades = fleet.ota_upgrades
    for count in range(3):
        await settled(upgrades.put_token(f"h{count}", OtaToken("ours", "d1", "v1"), NOW + count, NOW + 100 + count, 2))
    assert await upgrades.find_token("h0", NOW) is None
    assert await upgrades.find_token("h2", NOW) == OtaToken("ours", "d1", "v1")
    assert await upgrades.find_token("h1", NOW + 101) is None
    await settled(upgrades.put_token("h9", OtaToken("ours", "gone", "v1"), NOW, NOW + 100, 2))
    assert await upgrades.find_token("h9", NOW) is None
    assert await upgrades.prune(NOW + 101, NOW, 10) == 1
    await fleet.ota_versions.delete("ours", "v1")
    assert await upgrades.find_token("h2", NOW) is None
