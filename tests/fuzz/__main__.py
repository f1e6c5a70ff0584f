"""Fuzzes one target with atheris, guided by coverage: ``python -m tests.fuzz TARGET SECONDS``. See docs/fuzzing.md.

Findings go to ``build/fuzz/TARGET``: ``found-…`` is an input that failed. What reached something new is added to the
corpus with ``python -m tests.fuzz TARGET keep``. ``python -m tests.fuzz TARGET FILE`` runs one input.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]  # in .venv-fuzz alone

with atheris.instrument_imports(
    include=["thingstead.mqtt", "thingstead.broker", "thingstead.services.shared.payloads"]
):
    from tests.fuzz.targets import TARGETS, Target, name_of

from tests.fuzz.mutation import MAX_BYTES
from tests.fuzz.reach import least

CORPUS_MAX_BYTES = 75_000  # of one target
INPUT_TIMEOUT_S = 20


def work_folder(target: Target) -> Path:
    """With the inputs to begin from, and whatever is found."""
    folder = Path("build", "fuzz", target.name)
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    for data in target.corpus():
        (folder / "inputs" / name_of(data)).write_bytes(data)
    return folder


def fuzz(target: Target, seconds: int) -> None:
    """Does not return."""
    folder = work_folder(target)
    options = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-timeout={INPUT_TIMEOUT_S}", "-verbosity=0"]
    options += [f"-artifact_prefix={folder}/found-", "-print_final_stats=1", "-use_value_profile=1"]
    atheris.Setup([sys.argv[0], *options, str(folder / "inputs")], target.run)
    atheris.Fuzz()


def keep(target: Target) -> None:
    """Makes the corpus of what reaches something that neither the seeds nor a shorter input reach."""
    inputs = {path.read_bytes() for path in (work_folder(target) / "inputs").iterdir()}
    for path in target.folder.glob("*"):
        path.unlink()
    target.folder.mkdir(parents=True, exist_ok=True)
    seeds = [*target.seeds()]
    for data in _within(least(seeds, inputs - {*seeds}, target.run, "/thingstead/"), CORPUS_MAX_BYTES):
        (target.folder / name_of(data)).write_bytes(data)


def _within(inputs: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for data in inputs:
        limit -= len(data)
        if limit < 0:
            return
        yield data


def main(name: str, what: str) -> None:
    target = TARGETS[name]
    if what.isdecimal():
        fuzz(target, int(what))
    elif what == "keep":
        keep(target)
    else:
        target.run(Path(what).read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
