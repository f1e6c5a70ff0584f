"""What is tracked works in every clone: no symbolic link leads out of the repository."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def leading_out(root: Path, names: Iterable[str]) -> list[str]:
    """Those of the names below ``root`` that are symbolic links to an absolute path, or to one outside of ``root``."""
    links = [root / name for name in names if (root / name).is_symlink()]
    return [
        str(link.relative_to(root))
        for link in links
        if link.readlink().is_absolute() or not link.resolve().is_relative_to(root)
    ]


def test_no_tracked_link_leads_out_of_the_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = listed.stdout.split("\0")[:-1]
    assert "README.md" in names
    assert leading_out(ROOT, names) == []


def test_links_that_lead_out_are_told_from_those_that_stay(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "repository"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").touch()
    (root / "stays").symlink_to("README.md")
    (root / "docs" / "stays").symlink_to("../README.md")
    (root / "absolute").symlink_to(root / "README.md")
    (root / "docs" / "above").symlink_to("../../elsewhere")
    names = ["README.md", "stays", "docs/stays", "absolute", "docs/above"]
    assert leading_out(root, names) == ["absolute", "docs/above"]
