"""Every target by name, with what it begins from."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import devices, open_port, parsers, seeds, websocket

CORPUS = Path(__file__).resolve().parent / "corpus"


class Target(NamedTuple):
    """``run`` raises for a bug, and for nothing else."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    def corpus(self) -> list[bytes]:
        """What is kept of earlier fuzzing, and what it began with, in order."""
        kept = [path.read_bytes() for path in sorted(self.folder.glob("*"))]
        return list(dict.fromkeys([*kept, *self.seeds()]))


TARGETS = {
    target.name: target
    for target in (
        Target("codec", parsers.codec, seeds.codec),
        Target("topics", parsers.topics, seeds.topics),
        Target("payloads", parsers.payloads, seeds.payloads),
        Target("registration", parsers.registration, seeds.registration),
        Target("proxy", parsers.proxy, seeds.proxy),
        Target("websocket", websocket.run, seeds.websocket),
        Target("open_port", open_port.run, seeds.open_port),
        Target("devices", devices.run, seeds.devices),
    )
}


def name_of(data: bytes) -> str:
    """Under which name an input is kept."""
    return hashlib.sha256(data).hexdigest()[:16]
