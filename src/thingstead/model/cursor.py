"""A cursor: where a reader of a list stands, whatever is added to the list or removed from it meanwhile."""

import base64
import binascii
from typing import TypeAlias

import msgspec

from thingstead.errors import InvalidInput

Key: TypeAlias = int | str
INTEGER_BYTES = 8

_decoder = msgspec.json.Decoder(tuple[str, tuple[Key, ...]])


class Cursor:
    """Stands behind one item of a list, by what the list is sorted by; reading a page moves it on.

    Attributes:
        order: names the list and its order; "" before anything was read.
        after: the sort keys of the item behind which it stands; empty at the beginning.
        ended: the page that was read last was the last one.
    """

    def __init__(self, text: str = "") -> None:
        """Where ``text``, made by :meth:`__str__`, says; "" is the beginning. InvalidInput on ``cursor`` where it is
        none."""
        self.order = ""
        self.after: tuple[Key, ...] = ()
        self.ended = False
        if not text:
            return
        try:
            self.order, self.after = _decoder.decode(base64.b64decode(text.encode(), b"-_", validate=True))
            for key in self.after:
                if isinstance(key, int):
                    key.to_bytes(INTEGER_BYTES, "big", signed=True)
        except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError) as exc:
            raise InvalidInput.field("cursor", "bad_cursor") from exc

    def __str__(self) -> str:
        """An opaque text for URLs."""
        return base64.urlsafe_b64encode(msgspec.json.encode((self.order, self.after))).decode()

    def begin(self, order: str, keys: int) -> None:
        """Checks that it belongs to a list in this order, with so many sort keys. InvalidInput where it does not."""
        if self.after and (self.order != order or len(self.after) != keys):
            raise InvalidInput.field("cursor", "foreign_cursor")
        self.order = order

    def move(self, after: tuple[Key, ...] | None) -> None:
        """Behind another item; None: nothing follows."""
        self.after = after or self.after
        self.ended = after is None
