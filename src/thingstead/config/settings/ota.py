"""Settings `ota.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about
from thingstead.config.settings.public import PublicAddress, address_of


class OtaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Upgrades of firmware."""

    http_address: Annotated[
        str,
        about(
            "Address in the links that devices download from, such as `http://iot.example.com:8080`; default: "
            "`public.http_address`, otherwise this machine's address and `http_port`."
        ),
    ] = ""
    https_address: Annotated[str, about("The same for versions that are downloaded over TLS.")] = ""
    link_days: Annotated[int, about("How long a link is valid.", "days", ge=1, le=90)] = 7
    file_max_bytes: Annotated[
        int, about("Size of the file of one version.", "bytes", ge=1024, le=1 << 30)
    ] = 64 << 20  # fmt: skip
    project_max_bytes: Annotated[
        int, about("Size of all files of a project, unfinished uploads included.", "bytes", ge=1024, le=1 << 40)
    ] = 1 << 30
    cache_max_bytes: Annotated[
        int, about("Memory for parts of files that devices download.", "bytes", ge=1 << 20, le=1 << 34)
    ] = 32 << 20
    download_max_bytes_per_s: Annotated[
        int, about("Rate of all downloads together; 0: no limit.", "bytes per second", ge=0, le=1 << 40)
    ] = 32 << 20
    downloads_max: Annotated[
        int,
        about("Downloads at the same time; one more is answered with 503, which devices take for a failure.",
              "downloads", ge=1, le=100_000),
    ] = 4_000  # fmt: skip
    commands_per_s: Annotated[
        int, about("Devices that all rollouts together tell to upgrade.", "devices per second", ge=1, le=10_000)
    ] = 50

    def base(self, *, secure: bool) -> PublicAddress | None:
        """The configured address; None: not set. Raises ValueError if it is invalid."""
        text = self.https_address if secure else self.http_address
        if not text:
            return None
        address = address_of(text)
        if address.scheme != ("https" if secure else "http"):
            raise ValueError(f"{text} must begin with {'https' if secure else 'http'}://")
        return address
