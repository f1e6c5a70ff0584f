"""Cursors: positions in a list that stay valid while items are added or removed."""

import base64
import binascii
from typing import TypeAlias

import msgspec

from thingstead.errors import InvalidInput

Key: TypeAlias = int | str
INTEGER_BYTES = 8

_decoder = msgspec.json.Decoder(tuple[str, tuple[Key, ...]])


class ListCursor:
    """A position in a sorted list, after one item; reading a page advances it.

    Attributes:
        order: name of the list and its order; "" before the first page is read.
        after: sort keys of the item before this position; empty at the beginning.
        ended: whether the last page was read.
    """

    def __init__(self, text: str = "") -> None:
        """Parses a text that :meth:`__str__` made; "" is the beginning of the list.

        Raises:
            InvalidInput: names ``cursor``; the text is not a cursor.
        """
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
        """The cursor as an opaque text for URLs."""
        return base64.urlsafe_b64encode(msgspec.json.encode((self.order, self.after))).decode()

    def begin(self, order: str, keys: int) -> None:
        """Checks that the cursor belongs to a list with this order and number of sort keys.

        Raises:
            InvalidInput: it belongs to another list.
        """
        if self.after and (self.order != order or len(self.after) != keys):
            raise InvalidInput.field("cursor", "foreign_cursor")
        self.order = order

    def move(self, after: tuple[Key, ...] | None) -> None:
        """Moves to the position after another item; None: the list ends here."""
        self.after = after or self.after
        self.ended = after is None
