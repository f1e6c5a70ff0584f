"""What a server costs that does nothing: memory, and the time from its start to its first answer."""

import tempfile
import time
from pathlib import Path

from bench.case import Case, Options
from bench.machine import pss_bytes, rss_bytes
from bench.platform import initialize, serving
from bench.report import Report, Table, Target, figure, median, spread

SETTLE_S = 1.0  # what start-up leaves to do is done by then
MEMORY_LIMIT_MB = 100
START_LIMIT_S = 2


def measure(options: Options) -> Report:
    """Starts the server on an initialized and on an empty folder, run by run."""
    starts: dict[str, list[float]] = {"initialized": [], "empty": []}
    rss: list[float] = []
    pss: list[float] = []
    for _ in range(options.runs):
        for kind, seconds in starts.items():
            with tempfile.TemporaryDirectory(prefix="thingstead-bench-") as parent:
                folder = Path(parent) / "data"
                if kind == "initialized":
                    initialize(folder)
                begun = time.perf_counter()
                with serving(folder) as (pid, _, _):
                    seconds.append(time.perf_counter() - begun)
                    time.sleep(SETTLE_S)
                    rss.append(rss_bytes(pid) / 1e6)
                    pss.append(pss_bytes(pid) / 1e6)

    report = Report("Idle: memory and start")
    rows = [
        ["RSS, MB", spread(rss)],
        ["PSS, MB", spread(pss)],
        ["start to `/healthz` 200 on an initialized folder, s", spread(starts["initialized"])],
        ["the same on an empty folder, which it initializes first, s", spread(starts["empty"])],
    ]
    report.tables.append(Table(["what", "median (range)"], rows))
    report.targets += [
        Target("RSS, MB", MEMORY_LIMIT_MB, median(rss), at_most=True),
        Target("start, s", START_LIMIT_S, median(starts["initialized"]), at_most=True),
    ]
    report.notes.append(f"memory {figure(SETTLE_S)} s after the first answer, without devices")
    return report


CASE = Case("memory of an idle server, and how soon it answers after its start", measure)
