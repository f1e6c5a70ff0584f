"""Where tests write: in memory, if there is plenty of it."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 6 * 2**30  # a whole run leaves 2 GiB
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def choose_folder() -> None:
    """Makes pytest's temporary folders in memory: hundreds of tests open a store, and each commit waits for the disk.
    None of them cuts the power, and a process that is killed loses nothing there either."""
    if "TMPDIR" not in os.environ and _available_bytes() >= NEEDED_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _available_bytes() -> int:
    if not os.access(MEMORY, os.W_OK):
        return 0
    system = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    amounts = [shutil.disk_usage(MEMORY).free, int(system["MemAvailable"].split()[0]) * 1024]
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # not in a container, or in one without a limit
            amounts.append(int(Path(limit).read_text(encoding="ascii")))
    return min(amounts)
