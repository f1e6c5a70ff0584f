"""The registration packet of devices on raw TCP: ``<ProjectKey>&<AccessToken>`` (wire reference §4.2)."""

from typing import NamedTuple

from thingstead.model.ids import ACCESS_TOKEN_CHARACTERS

PROJECT_KEY_MAX_BYTES = 64
LINE_ENDS = (b"\r\n", b"\n")


class NotRegistered(Exception):
    """The first packet is not a registration packet."""


class Registered(NamedTuple):
    """A complete registration packet."""

    project_key: str
    access_token: str
    packet: bytes  # without the line end
    ended: bool  # a line end was received with it
    rest: bytes  # bytes received behind it


class Registration:
    """Collects the registration packet, which may arrive in pieces.

    It is complete with the last character of the AccessToken, whose length is fixed, or with the line end that many
    devices send behind it.
    """

    __slots__ = ("_received",)

    def __init__(self) -> None:
        self._received = b""

    def receive_data(self, data: bytes) -> Registered | None:
        """Returns the packet once it is complete; None before. Raises NotRegistered if it cannot become one any
        more."""
        received = self._received = self._received + data
        project_key, separator, token = received.partition(b"&")
        if len(project_key) > PROJECT_KEY_MAX_BYTES or not project_key.isascii() or b"\n" in project_key:
            raise NotRegistered("the first packet must be ProjectKey&AccessToken")
        if not separator:
            return None
        line = token.split(b"\n", 1)[0].rstrip(b"\r")
        token = token[: min(len(line), ACCESS_TOKEN_CHARACTERS)]
        if not token.isascii():
            raise NotRegistered("the first packet must be ProjectKey&AccessToken")
        packet = project_key + b"&" + token
        behind = received[len(packet) :]
        if len(token) < ACCESS_TOKEN_CHARACTERS and b"\n" not in behind:
            return None
        line_end = next((end for end in LINE_ENDS if behind.startswith(end)), b"")
        return Registered(project_key.decode(), token.decode(), packet, bool(line_end), behind.removeprefix(line_end))
