"""Mutation run: ``script/mutants [--sample N] [--seed S] [--paths …]``. See docs/testing.md."""

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from tests.mutants.copies import ROOT, Copy, copied
from tests.mutants.coverage_map import CoverageMap
from tests.mutants.forks import warm_up
from tests.mutants.operators import Mutant, module_mutants, sample
from tests.mutants.trials import Result, attempt, choose, pass_unchanged

ROOMS = tuple(Path("src/thingstead", room) for room in ("mqtt", "rules", "services", "storage"))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("script/mutants", description="Breaks the code on purpose, and sees tests fail.")
    parser.add_argument("--sample", type=int, default=100, metavar="N", help="how many mutants (default 100)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which of all are drawn (default 1)")
    parser.add_argument("--paths", type=Path, nargs="+", default=ROOMS, help="files or folders (default: four rooms)")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these mutants in place of a sample")
    parser.add_argument("--tests", nargs="+", default=[], metavar="FILE", help="all tests of these files, unmeasured")
    parser.add_argument(
        "--budget", type=float, default=30, metavar="SECONDS", help="of tests for a mutant (default 30)"
    )
    parser.add_argument("--keep-map", action="store_true", help="what tests run is not measured again after changes")
    parser.add_argument("--list", action="store_true", help="shows the mutants without trying them")
    parser.add_argument("--minimum", type=float, default=0, metavar="PERCENT", help="exit code 1 below that score")
    return parser.parse_args(arguments)


def try_all(copy: Copy, mutants: list[Mutant], options: argparse.Namespace) -> list[Result]:
    tests_of = CoverageMap(copy)
    if not options.tests:
        tests_of.load(say, options.keep_map)
    results = []
    for number, mutant in enumerate(mutants, 1):
        began = time.monotonic()
        known = tests_of.tests(mutant)
        tests = options.tests or choose(known, tests_of.seconds, options.budget)
        result = attempt(copy, mutant, tests, tests_of.seconds)
        results.append(result)
        where = f"{mutant.path}:{mutant.lines.start}"
        say(
            f"{number}/{len(mutants)} {result.outcome:8} {mutant.id} {where} {mutant.operator} {result.by}"
            f" ({time.monotonic() - began:.1f} s)"
        )
    killers = sorted({result.by for result in results if "::" in result.by})
    for test in sorted(pass_unchanged(copy, killers, tests_of.seconds)) if killers else ():
        doubtful = [result.mutant.id for result in results if result.by == test]
        say(f"{test} fails without a mutant too; try again: --only {' '.join(doubtful)}")
    return results


def report(results: list[Result], options: argparse.Namespace) -> float:
    for result in results:
        if not result.is_detected:
            mutant = result.mutant
            say(f"\n{result.outcome} {mutant.id} {mutant.path} in {mutant.function} ({result.tests} tests)")
            say(mutant.diff())
    rooms: dict[str, Counter[str]] = {}
    for result in results:
        rooms.setdefault(result.mutant.path.parts[2], Counter())[result.outcome] += 1
    say(f"\n{'room':10}{'mutants':>8}{'killed':>8}{'timeout':>8}{'survived':>9}{'not run':>8}{'score':>8}")
    total: Counter[str] = sum(rooms.values(), Counter())
    for room, counts in [*sorted(rooms.items()), ("all", total)]:
        all_of_it = counts.total()
        score = 100 * (counts["killed"] + counts["timeout"]) / max(all_of_it, 1)
        say(
            f"{room:10}{all_of_it:8}{counts['killed']:8}{counts['timeout']:8}{counts['survived']:9}"
            f"{counts['not run']:8}{score:7.1f}%"
        )
    say(f"seed {options.seed}")
    return 100 * (total["killed"] + total["timeout"]) / max(total.total(), 1)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    mutants = [*module_mutants(ROOT, list(options.paths))]
    say(f"{len(mutants)} mutants")
    if options.only:
        mutants = [mutant for mutant in mutants if mutant.id in options.only]
    else:
        mutants = sample(mutants, options.sample, options.seed)
    if options.list:
        for mutant in mutants:
            say(f"\n{mutant.id} {mutant.path} in {mutant.function}\n{mutant.diff()}")
        return 0
    warm_up()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # which removes the copy
    with copied() as copy:
        results = try_all(copy, mutants, options)
    return int(report(results, options) < options.minimum)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
