"""The dependencies that the package declares are those that are pinned and tested, with the same bounds."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = PROJECT["dependencies"]
# Those of which more than the documented interface is used, or whose output is kept or shown.
BOUNDED = {
    "astral",
    "click",
    "cronsim",
    "httpcore",
    "msgspec",
    "quickjs",
    "starlette",
    "uvicorn",
    "websockets",
    "zstandard",
}


def lines(name: str) -> list[str]:
    return (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", "\n".join(lines(name)), re.MULTILINE))


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_what_is_pinned_is_compiled_from_what_the_package_declares() -> None:
    assert lines("runtime.in") == DECLARED


def test_every_dependency_whose_internals_are_used_has_an_upper_bound() -> None:
    bounded = {re.split(r"\W", line)[0] for line in DECLARED if "<" in line}
    assert bounded == BOUNDED


def test_the_image_has_what_forwarding_and_clusters_need_in_the_versions_of_the_other_installations() -> None:
    extras = PROJECT["optional-dependencies"]
    assert lines("container.in") == ["-r runtime.in", *extras["kafka"], *extras["postgres"]]
    there = pins("container.txt")
    assert there == {**pins("kafka.txt"), **pins("postgres.txt")}
    assert pins("runtime.txt").items() <= there.items()


@pytest.mark.parametrize("kind", ["runtime", "container", "dev", "fuzz"])
def test_pins_are_within_the_bounds(kind: str) -> None:
    pinned = pins(f"{kind}.txt")
    for line in DECLARED:
        name = re.split(r"[\[<>= ]", line)[0]
        for sign, bound in re.findall(r"(>=|<)([\d.]+)", line):
            have, limit = version(pinned[name]), version(bound)
            assert have >= limit if sign == ">=" else have < limit, line


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_every_pin_has_hashes_and_no_address(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert [pin for pin in re.split(r"\n(?=\S)", text.strip()) if "--hash=sha256:" not in pin] == []
