"""Which downloads of firmware may begin while many are under way."""

from tests.services.conftest import NOW, Workshop
from thingstead.config import OtaSettings
from thingstead.model.ota.version import OtaFile, OtaVersion
from thingstead.services.ota.downloads import FirmwareLink, OtaDownloads
from thingstead.services.ota.files import OtaFiles
from thingstead.services.ota.watching import OtaWatch

MOST = 100


def downloads_of(workshop: Workshop) -> OtaDownloads:
    settings = OtaSettings(downloads_max=MOST)
    files = OtaFiles(workshop.store, workshop.clock, settings)
    watch = OtaWatch(workshop.store, workshop.bus, workshop.clock)
    return OtaDownloads(workshop.store, workshop.clock, settings, files, watch)


def link(project_id: str, device_id: str) -> FirmwareLink:
    file = OtaFile(id="f", version_id="v", name="fw.bin", size_bytes=1, sha256="", md5="", upload_time=NOW)
    version = OtaVersion(
        id="v", project_id=project_id, name="v", version_name="1", file=file, create_time=NOW, update_time=NOW
    )
    return FirmwareLink(device_id, version, file)


async def test_a_project_that_downloads_all_the_time_keeps_no_rollout_of_another_waiting(workshop: Workshop) -> None:
    downloads = downloads_of(workshop)
    assert not downloads.is_crowded("hostile")
    taken = 0
    while downloads.admit(link("hostile", f"d{taken}")):
        taken += 1
    assert taken > MOST / 2
    assert downloads.is_crowded("hostile")
    assert not downloads.is_crowded("other")
    assert downloads.admit(link("other", "e"))


async def test_a_project_alone_is_crowded_with_more_than_half_of_the_downloads(workshop: Workshop) -> None:
    downloads = downloads_of(workshop)
    for number in range(MOST // 2):
        assert downloads.admit(link("ours", f"d{number}"))
    assert not downloads.is_crowded("ours")
    assert downloads.admit(link("ours", "more"))
    assert downloads.is_crowded("ours")
