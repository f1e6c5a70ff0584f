"""The command behind ``bench/run``."""

import argparse
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bench.case import Options, all_cases
from bench.machine import description

RESULTS = Path(__file__).resolve().parent / "results"
WARMUP_S = 1.0


def main() -> int:
    """Measures the cases that are asked for; 1 where one of them failed or missed a target under ``--check``."""
    cases = all_cases()
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("case", nargs="*", help="which to measure; all by default", metavar="case")
    parser.add_argument("--runs", type=int, help="how often each figure is taken (default 3, of long cases 1)")
    parser.add_argument("--seconds", type=float, help="length of one load (default 4, of long cases 300)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed or not measured")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    arguments = parser.parse_args()
    if arguments.list:
        for name, case in cases.items():
            print(f"{name:20} {case.question}")
        return 0
    unknown = set(arguments.case) - cases.keys()
    if unknown or any(given is not None and given <= 0 for given in (arguments.runs, arguments.seconds)):
        parser.error(f"unknown case {', '.join(sorted(unknown))}" if unknown else "runs and seconds must be positive")
    return _measure(arguments.case or list(cases), arguments.runs, arguments.seconds, check=arguments.check)


def _measure(names: list[str], runs: int | None, seconds: float | None, *, check: bool) -> int:
    begun = datetime.now(UTC)
    head = f"# Benchmarks\n\n{begun:%Y-%m-%d %H:%M} UTC, {description()}\n"
    print(head, flush=True)
    texts, failed = [head], False
    for name in names:
        started = time.monotonic()
        try:
            case = all_cases()[name]
            options = Options(runs or case.runs, seconds or case.seconds, WARMUP_S)
            report = case.measure(options)
        except Exception:  # noqa: BLE001 - one case that fails does not take the others' figures away
            failed = True
            text = f"## {name} failed\n\n```\n{traceback.format_exc()}```\n"
        else:
            failed = failed or (check and not all(target.reached for target in report.targets))
            took = f"{options.runs} runs of {options.seconds:g} s; {name} took {time.monotonic() - started:.0f} s"
            text = f"{report.markdown()}\n({took})\n"
        print(text, flush=True)
        texts.append(text)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{begun:%Y%m%dT%H%M%SZ}.md"
    path.write_text("\n".join(texts), encoding="utf-8")
    print(f"written to {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
