"""The state of the server, for its administrators."""

import asyncio
import platform
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from thingstead import __version__
from thingstead.clock import Clock
from thingstead.model.health import HealthWarning
from thingstead.storage.base import Store
from thingstead.wire.server import ServerInfo, ServerPort, SoftwareLicense

PAGE_BYTES = 4096  # unit of /proc/self/statm on the platforms that have it, where sysconf does not say
DISTRIBUTION = "thingstead"
LICENSE = "Apache-2.0"  # that of pyproject.toml
RUNTIME_REQUIREMENTS = Path(__file__).parents[4] / "requirements" / "runtime.txt"  # beside src/

_NAME = re.compile(r"[A-Za-z0-9._-]+")


class ServerStatus:
    """Version, ports, disk, sizes, memory and warnings.

    Attributes:
        ports: lists the open ports.
        warnings: as those of ``/healthz``.
    """

    def __init__(self, store: Store, clock: Clock, data_path: Path, low_disk_bytes: int) -> None:
        self._store = store
        self._clock = clock
        self._data_path = data_path
        self._low_disk_bytes = low_disk_bytes
        self._started_at = clock.now_ms()
        self._begun_s = clock.monotonic_s()
        self.ports: Callable[[], Sequence[ServerPort]] = tuple
        self.warnings: Callable[[], Sequence[HealthWarning]] = tuple

    async def read(self, project_id: str) -> ServerInfo:
        """The present state; of history that of one project."""
        extent = await self._store.retention.extent(project_id)
        data_bytes, total_bytes, free_bytes = await asyncio.to_thread(self._sizes)
        database_bytes = await self._store.database_bytes()
        trouble = self._store.trouble()
        return ServerInfo(
            version=__version__,
            python=platform.python_version(),
            sqlite=sqlite3.sqlite_version,
            started_at=self._started_at,
            uptime_s=int(self._clock.monotonic_s() - self._begun_s),
            ports=list(self.ports()),
            data_bytes=data_bytes if database_bytes is None else database_bytes,
            disk_total_bytes=total_bytes,
            disk_free_bytes=free_bytes,
            low_disk_bytes=self._low_disk_bytes,
            history_points=extent.points,
            history_bytes=extent.size_bytes,
            history_oldest_ts=extent.oldest_ts,
            memory_bytes=_memory_bytes(),
            trouble="" if trouble is None else trouble.message,
            trouble_code="" if trouble is None else trouble.code,
            trouble_args={} if trouble is None else dict(trouble.args),
            warnings=list(self.warnings()),
            licenses=await asyncio.to_thread(_licenses),
        )

    def _sizes(self) -> tuple[int, int, int]:
        """Bytes of the data folder; total and free bytes of its disk. 0: not known."""
        try:
            disk = shutil.disk_usage(self._data_path)
            files = [path for path in self._data_path.rglob("*") if path.is_file() and not path.is_symlink()]
            return sum(path.stat().st_size for path in files), disk.total, disk.free
        except OSError:  # the folder is gone, or a file was removed meanwhile
            return 0, 0, 0


def _memory_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):  # not on this system
        return 0


@cache
def _licenses() -> list[SoftwareLicense]:
    """This package and those that it needs, as far as they are installed. Where it runs from its sources, no metadata
    tell what it needs: those that the sources pin."""
    found: dict[str, SoftwareLicense] = {}
    waiting = [DISTRIBUTION]
    if not _is_installed(DISTRIBUTION):
        found[DISTRIBUTION] = SoftwareLicense(name=DISTRIBUTION, version=__version__, license=LICENSE)
        waiting = _pinned()
    while waiting:
        name = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        key = name.lower().replace("_", "-")
        if key in found:
            continue
        found[key] = SoftwareLicense(name=key, version=distribution.version, license=_license(distribution))
        waiting += _required(distribution)
    return sorted(found.values(), key=lambda each: each.name)


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _pinned() -> list[str]:
    """Names of the runtime dependencies in the sources; empty if this file does not stand among them."""
    try:
        lines = RUNTIME_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [named.group() for line in lines if (named := _NAME.match(line)) is not None]


def _required(distribution: metadata.Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        named = _NAME.match(requirement)
        if named is not None and "extra ==" not in requirement:
            yield named.group()


def _license(distribution: metadata.Distribution) -> str:
    """The licence expression; else the classifier, else the first line of the old field or of the licence itself."""
    fields = distribution.metadata
    if "License-Expression" in fields:
        return fields["License-Expression"]
    for classifier in fields.get_all("Classifier") or ():
        if classifier.startswith("License ::"):
            return str(classifier).rsplit(" :: ", 1)[-1]
    if "License" in fields:
        return fields["License"].split("\n", 1)[0][:64]
    text = "".join(distribution.read_text(f"licenses/{name}") or "" for name in fields.get_all("License-File") or ())
    return text.strip().split("\n", 1)[0][:64]
