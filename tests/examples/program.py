"""An example that runs."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

TIMEOUT_S = 30


class Program:
    """An example that runs; its lines can be waited for."""

    def __init__(self, *command: str | Path, **options: Any) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
        self._lines: Queue[str | None] = Queue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip())
        self._lines.put(None)

    def until(self, text: str) -> str:
        """The next line with ``text``."""
        while True:
            try:
                line = self._lines.get(timeout=TIMEOUT_S)
            except Empty:
                line = None
            assert line is not None, f"no line with {text!r}: {self.seen}"
            self.seen.append(line)
            if text in line:
                return line

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()


Run = Callable[..., Program]
