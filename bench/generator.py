"""Load generators as processes of their own, so that they share nothing with us but the machine.

The parent gives a task as JSON on standard input and gets the result as JSON on standard output.
"""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from bench.process import ROOT

SPARE_TIMEOUT_S = 90  # over the length of the load: connecting, draining

Task = TypeVar("Task")


class LoadFailed(Exception):
    """The server refused, closed, or did not answer: there is no figure."""


def run(module: str, task: Any, load_s: float) -> Any:
    """Runs a generator's module with a dataclass as its task; the members of its result by name."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(asdict(task)),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=load_s + SPARE_TIMEOUT_S,
    )
    if done.returncode:
        raise LoadFailed(done.stderr.strip()[-1_000:])
    return json.loads(done.stdout)


def main(task_type: type[Task], generate: Callable[[Task], Any]) -> None:
    """The body of a generator's process; ``generate`` makes a result, also a dataclass, of the task."""
    gc.disable()  # a collection in the middle would be counted as the server's latency
    task = task_type(**json.load(sys.stdin))
    try:
        result = generate(task)
    except (LoadFailed, OSError) as exc:
        sys.exit(f"the load failed: {exc}")
    json.dump(asdict(result), sys.stdout)
