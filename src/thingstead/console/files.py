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

HASHED_FOLDER = "assets/"  # of names with a hash of what is in them
STYLE_HASHES = "style-hashes.txt"  # written by the build: a line for each inline style that a component library needs
INDEX = "index.html"
REFUSALS = "words/codes.{language}.json"  # not made by the build, which need not follow each new text
LANGUAGES = "zh", "en"

_STYLE_HASH = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
_GZIP = 31  # wbits
_LEVEL = 9  # made once
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
        hashed: its name says what is in it, so that no browser need ask for it twice.
        compressible: it is worth to be sent with gzip.
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
        """The same with gzip, made when it is first asked for."""
        if self._gzip_body is None:
            self._gzip_body = await asyncio.to_thread(_gzip, self.body)
        return self._gzip_body


class StaticFiles:
    """All files of a folder, by their names below it: ``assets/index-Bx3kd91f.js``.

    Args:
        folder: where they are; empty where it does not exist.
        made: further files, by their names.

    Attributes:
        style_hashes: of inline styles that pages may hold, as the policy of content names them.
    """

    def __init__(self, folder: Traversable, made: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._files = {name: StaticFile(name, body) for name, body in (*_read(folder, ""), *made.items())}
        listed = self._files.pop(STYLE_HASHES, None)
        lines = [] if listed is None else listed.body.decode().split()
        self.style_hashes = tuple(line for line in lines if _STYLE_HASH.fullmatch(line))

    def find(self, name: str) -> StaticFile | None:
        """The file of that name."""
        return self._files.get(name)


def packaged_files() -> StaticFiles:
    """Those that the package brings along, and the texts of refusals as the pages read them."""
    made = {REFUSALS.format(language=language): _refusals(language) for language in LANGUAGES}
    return StaticFiles(files("thingstead.console").joinpath("static"), made)


def _refusals(language: str) -> bytes:
    """``{"codes.taken": "is taken"}``, among the other words of a page."""
    texts = {f"codes.{code}": languages[language] for code, languages in TEXTS.items()}
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
