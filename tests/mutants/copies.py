"""A copy of the project in a temporary folder: what is tried is changed there, never in the work tree."""

import compileall
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "node_modules", "thingstead-data", "results")


class Copy:
    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def changed(self, path: Path, source: bytes) -> Iterator[None]:
        """The file holds the source until the context ends."""
        file = self.root / path
        before = file.read_bytes()
        file.write_bytes(source)
        try:
            yield
        finally:
            file.write_bytes(before)


@contextmanager
def copied(root: Path = ROOT) -> Iterator[Copy]:
    with tempfile.TemporaryDirectory(prefix="thingstead-mutants-") as folder:
        target = Path(folder, "project")
        shutil.copytree(root, target, ignore=LEFT_OUT, symlinks=True)
        # Found stale by their content: two mutants of one size within a second are told apart.
        compileall.compile_dir(target / "src", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        yield Copy(target)
