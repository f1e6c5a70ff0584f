"""What the kernel says of this machine and of a process: CPU time and memory, from /proc."""

import os
import platform
from pathlib import Path

CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far; resolution is one clock tick (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def cpu_seconds_of_family(pid: int) -> float:
    """The same of a process and the processes that it started, those that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ended_s = (int(fields[13]) + int(fields[14])) / CLOCK_TICKS_PER_S
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text(encoding="utf-8").split()]
    return cpu_seconds(pid) + ended_s + sum(map(cpu_seconds, children))


def cpu_seconds_by_part(pid: int) -> dict[str, float]:
    """The same of the first thread of a process, of its other threads, and of the processes that it started."""
    tasks = [Path(f"/proc/{pid}/task/{name.name}") for name in Path(f"/proc/{pid}/task").iterdir()]
    children = [int(child) for task in tasks for child in (task / "children").read_text(encoding="utf-8").split()]
    first = _thread_seconds(Path(f"/proc/{pid}/task/{pid}"))
    return {
        "event loop": first,
        "other threads": cpu_seconds(pid) - first,
        "packing process": sum(cpu_seconds(child) for child in children),
    }


def _thread_seconds(task: Path) -> float:
    fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident memory of a process, shared pages included."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS")


def pss_bytes(pid: int) -> int:
    """Resident memory of a process, each shared page divided by its users."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss")


def _kilobytes(path: Path, name: str) -> int:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"{path} has no {name}")


def description() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}, Python {platform.python_version()}"
