"""A version of a device's software (OTA 版本), and its file."""

import re

import msgspec

VERSIONS_COUNT = 1_000  # in a project
VERSION_NAME_LENGTH = 64
MODULE_LENGTH = 32
MODULE = "main"  # of what does not say
TYPES_COUNT = 100  # that one version names
DEVICES_COUNT = 1_000  # that one version names
FROM_VERSIONS_COUNT = 100  # that one version names
FILE_NAME_LENGTH = 32  # in the URL of a download: commands must fit into small buffers
PIECE_BYTES = 65_536  # of a file, in one row; the last piece of a file is shorter
ANY_VERSION = "*"  # in `from_versions`

_SHORT_TEXT = re.compile(r"[\x21-\x7e]+\Z")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class OtaFile(msgspec.Struct, frozen=True, kw_only=True):
    """A complete file."""

    id: str
    version_id: str
    name: str
    size_bytes: int
    sha256: str  # hexadecimal
    md5: str  # hexadecimal
    upload_time: int  # ms

    @property
    def pieces(self) -> int:
        """In how many pieces it is stored."""
        return -(-self.size_bytes // PIECE_BYTES)


class OtaVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that devices can be upgraded to."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    version_name: str  # what the device reports when it runs it
    module: str = MODULE
    types: tuple[str, ...] = ()  # ids; empty: devices of any type, or of none
    devices: tuple[str, ...] = ()  # ids; empty: all of these types
    from_versions: tuple[str, ...] = ()
    version_attribute: str = "version"
    https: bool = False
    enabled: bool = True
    check_offers: bool = True
    create_time: int  # ms
    update_time: int  # ms
    version: int = 1  # incremented by each change
    file: OtaFile | None = None

    def is_for(self, device_id: str, type_id: str | None) -> bool:
        """Whether a device may get it."""
        return (not self.types or type_id in self.types) and (not self.devices or device_id in self.devices)


class OtaVersionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of versions; unset members do not narrow it."""

    type_id: str | None = None  # those for this type
    module: str | None = None
    enabled: bool | None = None
    keyword: str | None = None  # part of the name or of the version's name, case-insensitive


def is_version_text(text: str) -> bool:
    """Whether a text can be a version or a module: visible ASCII characters without spaces."""
    return _SHORT_TEXT.match(text) is not None


def url_name(name: str) -> str:
    """The name of a file as it stands in a URL."""
    plain = _NOT_IN_NAMES.sub("_", name).strip("._") or "fw.bin"
    return plain[-FILE_NAME_LENGTH:].lstrip("._") or "fw.bin"
