"""Runs a folder of packet sequences: ``python -m tests.conformance FOLDER``. Exit code 1 where a difference is left.

It starts a server of its own with an open port, or takes the one at ``--host`` and ``--port``.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.conformance.peer import Server
from tests.conformance.rules import ALL
from tests.conformance.runner import Outcome, run
from tests.conformance.sequences import Case, read
from tests.server_process import ServerProcess, init

VERSIONS = {3: "3.1", 4: "3.1.1", 5: "5.0"}
VERDICTS = ("exact", "equivalent", "different")


@contextmanager
def server_of_its_own() -> Iterator[Server]:
    """With an empty data folder, which goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        init(data_dir)
        process = ServerProcess(data_dir, "--open-mqtt-port", "0").wait_until_serving()
        try:
            yield Server("127.0.0.1", process.ports["open_mqtt_port"])
        finally:
            process.stop()


def run_all(cases: list[Case], server: Server | None) -> list[Outcome]:
    if server is not None:
        return run(cases, server)
    with server_of_its_own() as own:
        return run(cases, own)


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """Counts per file and version, and in sum."""
    counts = Counter((outcome.case.file, outcome.case.version, outcome.verdict) for outcome in outcomes)
    yield f"{'file':<20} {'version':<7} {'exact':>6} {'equivalent':>11} {'different':>10}"
    for file, version in sorted({(outcome.case.file, outcome.case.version) for outcome in outcomes}):
        exact, equivalent, different = (counts[file, version, verdict] for verdict in VERDICTS)
        yield f"{file:<20} {VERSIONS[version]:<7} {exact:>6} {equivalent:>11} {different:>10}"
    exact, equivalent, different = (sum(outcome.verdict == verdict for outcome in outcomes) for verdict in VERDICTS)
    yield f"{'all':<20} {len(outcomes):<7} {exact:>6} {equivalent:>11} {different:>10}"
    by_meaning = sum(outcome.by_meaning for outcome in outcomes)
    yield f"Of the equivalent ones, {by_meaning} differ in nothing but properties of CONNACK and the reason string."


def by_rule(outcomes: list[Outcome]) -> Iterator[str]:
    """How many cases each rule was needed for; one case may need several."""
    counts = Counter(rule.name for outcome in outcomes for rule in outcome.rules)
    for rule in ALL:
        if counts[rule.name]:
            yield f"{counts[rule.name]:>5}  {rule.name} ({rule.kind}; {rule.clause}): {rule.text}"


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, help="Of a server that runs; without it, one is started.")
@click.option("--match", default="", help="Only cases whose name has this text. Some cases need those before them.")
@click.option("--verbose", is_flag=True, help="List the cases that are equivalent, too.")
def main(folder: Path, host: str, port: int | None, match: str, verbose: bool) -> None:
    cases = [case for case in read(folder) if match in case.name]
    began_s = time.monotonic()
    outcomes = run_all(cases, None if port is None else Server(host, port))
    lines = [*table(outcomes), "", "Equivalent by rule:", *by_rule(outcomes)]
    lines += [
        f"equivalent: {outcome.case.name}: {', '.join(rule.name for rule in outcome.rules)}"
        for outcome in outcomes
        if verbose and outcome.rules
    ]
    lines += [f"DIFFERENT: {outcome.case.name}: {outcome.difference}" for outcome in outcomes if outcome.difference]
    lines.append(f"{len(outcomes)} sequences in {time.monotonic() - began_s:.1f} s")
    click.echo("\n".join(lines))
    sys.exit(any(outcome.difference for outcome in outcomes))


if __name__ == "__main__":
    main()
