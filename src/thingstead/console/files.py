"""The files of the console: read once, each with what a browser must know of it."""

import asyncio
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from thingstead.refusals import TEXTS
from thingstead.services.diagnosis.texts import TEXTS as DIAGNOSIS_TEXTS

HASHED_FOLDER = "assets/"  # files whose names contain a hash of their content
STYLE_HASHES = "style-hashes.txt"  # made by the build: one line for each inline style of a component library
INDEX = "index.html"
REFUSALS = "words/codes.{language}.json"  # made at run time, so that a new text needs no new build
LANGUAGES = "zh", "en"

_STYLE_HASH = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
_GZIP = 31  # wbits
_LEVEL = 9  # each file is compressed once
_COMPRESSIBLE = "html", "js", "css", "json", "svg", "txt", "webmanifest"
_TYPES = {
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "json": b"application/json",
    "svg": b"image/svg+xml",
    "txt": b"text/plain; charset=utf-8",
    "webmanifest": b"application/manifest+json",
    "png": b"image/png",
    "ico": b"image/x-icon",
    "webp": b"image/webp",
    "woff2": b"font/woff2",
}


class StaticFile:
    """One file.

    Attributes:
        hashed: its name contains a hash of its content, so browsers may cache it for ever.
        compressible: whether gzip makes it smaller.
    """

    __slots__ = ("_gzip_body", "body", "compressible", "content_type", "hashed", "tag")

    def __init__(self, name: str, body: bytes) -> None:
        extension = name.rpartition(".")[2]
        self.body = body
        self.content_type = _TYPES.get(extension, b"application/octet-stream")
        self.hashed = name.startswith(HASHED_FOLDER)
        self.compressible = extension in _COMPRESSIBLE
        self.tag = hashlib.sha256(body).hexdigest()[:24].encode()
        self._gzip_body: bytes | None = None

    async def gzip_body(self) -> bytes:
        """The content compressed with gzip; compressed on first use."""
        if self._gzip_body is None:
            self._gzip_body = await asyncio.to_thread(_gzip, self.body)
        return self._gzip_body


class StaticFiles:
    """All files of a folder, by relative path: ``assets/index-Bx3kd91f.js``.

    Args:
        folder: the folder; if it does not exist there are no files.
        made: additional files by name.

    Attributes:
        style_hashes: hashes of inline styles for the Content-Security-Policy.
    """

    def __init__(self, folder: Traversable, made: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._files = {name: StaticFile(name, body) for name, body in (*_read(folder, ""), *made.items())}
        listed = self._files.pop(STYLE_HASHES, None)
        lines = [] if listed is None else listed.body.decode().split()
        self.style_hashes = tuple(line for line in lines if _STYLE_HASH.fullmatch(line))

    def find(self, name: str) -> StaticFile | None:
        """The file with this name; None if there is none."""
        return self._files.get(name)


def packaged_files() -> StaticFiles:
    """Files of the package, and the texts of refusals in the format of the pages."""
    made = {REFUSALS.format(language=language): _refusals(language) for language in LANGUAGES}
    return StaticFiles(files("thingstead.console").joinpath("static"), made)


def _refusals(language: str) -> bytes:
    """Texts of refusals and of the checklist of devices as words of the pages: ``{"codes.taken": "is taken"}``,
    ``diagnosis.silent`` and ``advice.silent``."""
    texts = {f"codes.{code}": languages[language] for code, languages in TEXTS.items()}
    for code, found in DIAGNOSIS_TEXTS.items():
        texts |= {f"diagnosis.{code}": found[language], f"advice.{code}": found[f"advice_{language}"]}
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()


def _read(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    if not folder.is_dir():
        return []
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(body) + compressor.flush()
