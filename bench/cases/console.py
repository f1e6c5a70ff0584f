"""What the console loads, how soon it shows, and what it costs while values come: the budgets of its pages."""

import gzip
from pathlib import Path

from bench.browser import NoBrowser, Reader, reader
from bench.case import Case, Options
from bench.console_site import ATTRIBUTES, REPORTS_A_SECOND, Site, Sizes, reporting, site
from bench.process import ROOT
from bench.report import Report, Table, Target, figure, median, spread

STATIC = ROOT / "src" / "thingstead" / "console" / "static"
KB = 1000
HEAP_DRIFT_MB = 5
SLOW_SECONDS = 10.0  # of the load with a slower processor, at most

Row = tuple[str, list[float], float]  # what, what was measured in each run, what it may be at most


def measure(options: Options) -> Report:
    """All of it against 100,000 devices and a year of a million points."""
    return measured(options, Sizes())


def measured(options: Options, sizes: Sizes) -> Report:
    """The same with sizes of one's own."""
    report = Report("Console: bytes, first row, scrolling, live values, a year")
    with site(sizes) as found:
        try:
            with reader(found) as someone:
                rows = _measured(options, sizes, found, someone)
        except NoBrowser as exc:
            report.notes.append(f"not measured: {exc}")
            report.targets.append(Target("the console", 0, None, at_most=True))
            return report
    report.tables.append(Table(["what", "median (range)"], [[what, spread(values)] for what, values, _ in rows]))
    report.targets += [Target(what, limit, median(values), at_most=True) for what, values, limit in rows]
    report.notes += [
        f"{figure(sizes.devices)} devices, {figure(sizes.points)} points, {figure(sizes.frames)} frames of scrolling;"
        " browser, server and devices share the machine, and pages are painted without a graphics card",
        f"live values: {ATTRIBUTES} attributes {REPORTS_A_SECOND} times a second, for {figure(options.seconds)} s",
        "slow: 4 times slower processor, and where something is loaded 150 ms and 1.6 Mbit/s",
    ]
    return report


def _measured(options: Options, sizes: Sizes, found: Site, someone: Reader) -> list[Row]:
    rows: list[Row] = [
        ("log-in: bytes with gzip, kB", [_kb(someone.loaded_bytes("/login", "form", logged_in=False))], 60),
        ("list of devices: bytes with gzip, kB", [_kb(someone.loaded_bytes("/devices", "[role=row] a"))], 150),
        ("device with its chart: bytes with gzip, kB", [_kb(_device_bytes(found, someone))], 200),
        ("all there is: bytes with gzip, kB", [_kb(_all_bytes(STATIC))], 800),
    ]
    someone.first_row_ms(slow=False)  # the server is warm from here on
    runs = range(options.runs)
    rows += [
        ("first row, ms", [someone.first_row_ms(slow=False) for _ in runs], 500),
        ("first row, slow, ms", [someone.first_row_ms(slow=True) for _ in runs], 2500),
    ]
    scrolls = [someone.scrolled(sizes.frames) for _ in runs]
    rows += [
        ("scrolling: 95 of 100 frames took, ms", [times[len(times) * 95 // 100] for times, *_ in scrolls], 34),
        ("scrolling: long tasks", [float(len(long)) for _, long, *_ in scrolls], 0),
        ("list of devices: nodes", [float(nodes) for _, _, nodes, _ in scrolls], 1500),
        ("jump by the scroll bar, ms", [wait for *_, jumps in scrolls for wait in jumps], 200),
    ]
    rows += _live(options, found, someone)
    rows.append(("a year drawn, ms", [someone.year_ms(sizes.points) for _ in runs], 400))
    return rows


def _device_bytes(found: Site, someone: Reader) -> int:
    return someone.loaded_bytes(f"/devices/{found.year.id}/attributes?chart=a00&last=1y", "figure canvas")


def _live(options: Options, found: Site, someone: Reader) -> list[Row]:
    with reporting(found.platform.mqtt_port, found.live):
        usual = someone.live(options.seconds, options.warmup_s)
        slow = someone.live(min(options.seconds, SLOW_SECONDS), options.warmup_s, slow=True)
    assert usual.reports, "no report was drawn"
    start, end = usual.heap_bytes
    return [
        ("live values: main thread, %", [100 * usual.main_thread], 15),
        ("live values, slow: main thread, %", [100 * slow.main_thread], 50),
        ("live values: key to next frame, 75 of 100, ms", [_p75(usual.input_ms)], 100),
        ("live values, slow: key to next frame, 75 of 100, ms", [_p75(slow.input_ms)], 100),
        ("live values: heap at the start, MB", [start / 1e6], 50),
        ("live values: heap at the end, MB", [end / 1e6], start / 1e6 + HEAP_DRIFT_MB),
    ]


def _p75(waits: list[float]) -> float:
    return waits[len(waits) * 3 // 4]


def _kb(size: int) -> float:
    return size / KB


def _all_bytes(folder: Path) -> int:
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in folder.rglob("*") if path.is_file())


CASE = Case("what the console loads, how soon it shows, and what live values cost it", measure, runs=3, seconds=10)
